"""The enumerations of the module; numbers are the vendor's where they are known."""

from __future__ import annotations

from enum import Enum, IntEnum


class ImageFormat(IntEnum):
    """How an image lies in memory, with the numbers of the operators' attributes."""

    YUV_NV12 = 0
    RGB_PLANAR = 5000
    BGR_PLANAR = 5001
    RGB_INTERLEAVE = 5002
    BGR_INTERLEAVE = 5003
    GRAY = 5004


class TypeFlag(Enum):
    """Element types; the value is NumPy's name."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"
    UINT8 = "uint8"
    INT8 = "int8"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"


class GraphOutputType(Enum):
    """Where and how a graph leaves its outputs."""

    GRAPH_OUTPUT_TYPE_NCHW_DEVICE = 0
    GRAPH_OUTPUT_TYPE_NCHW_HOST = 1
    GRAPH_OUTPUT_TYPE_884_DEVICE = 2


class StreamBalanceMode(Enum):
    """How a stream spreads its work."""

    ONCE = 0
    RUN = 1


class ImageColorSpace(Enum):
    """Standards for YUV."""

    COLOR_SPACE_BT601 = 0
    COLOR_SPACE_BT709 = 1


class ImageResizeType(Enum):
    """Resamplers."""

    NEAREST = 0
    BILINEAR = 1
    BILINEAR_CV = 2
    BILINEAR_PILLOW = 3
    BICUBIC_PILLOW = 4


class ColorCvtCode(IntEnum):
    """Colour conversions, with the vendor's numbers."""

    YUV2RGB_NV12 = 0
    YUV2BGR_NV12 = 1
    BGR2RGB = 3


class OpType(IntEnum):
    """The preprocessing operators that are emulated; fused ones are 100 and above."""

    FUSION_OP_RGB_CVTCOLOR_NORM_TENSOR = 100
    FUSION_OP_RGB_RESIZE_CVTCOLOR_NORM_TENSOR = 101
    FUSION_OP_RGB_RESIZE_CVTCOLOR_CROP_NORM_TENSOR = 102
    FUSION_OP_RGB_CROP_RESIZE_CVTCOLOR_NORM_TENSOR = 103
    FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR = 104
    FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR_EXT = 105


class AttrKey(Enum):
    """Attributes of an operator."""

    IIMAGE_WIDTH = 0
    IIMAGE_HEIGHT = 1
    IIMAGE_FORMAT = 2
    OIMAGE_WIDTH = 3
    OIMAGE_HEIGHT = 4
    RESIZE_TYPE = 5
    RESIZE_WIDTH = 6
    RESIZE_HEIGHT = 7
    CROP_X = 8
    CROP_Y = 9
    COLOR_CVT_CODE = 10
    PADDING = 11
