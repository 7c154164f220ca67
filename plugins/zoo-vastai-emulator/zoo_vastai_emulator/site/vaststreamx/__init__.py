"""An emulated vaststreamx: the calls of the vendor's module, answered by ONNX Runtime on the CPU.

It needs NumPy, OpenCV and ONNX Runtime, nothing else of zoo, and Python 3.8 or later. Models are
those that the emulated vamc wrote. Where the real module may be lax this one is strict: every
thread sets its device, images are what they are said to be, outputs are registered before build.
"""

from __future__ import annotations

from .constants import (
    AttrKey,
    ColorCvtCode,
    GraphOutputType,
    ImageColorSpace,
    ImageFormat,
    ImageResizeType,
    OpType,
    StreamBalanceMode,
    TypeFlag,
)
from .data import Image, Tensor, as_numpy, create_image, cvtcolor, from_numpy
from .device import Card, Die, get_all_cards, get_all_cards_count, set_device
from .model import Model
from .operators import ModelOperator, Operator
from .stream import Graph, Stream

EMULATED = True
__version__ = "2.8.6+emulated"

__all__ = [
    "EMULATED",
    "AttrKey",
    "Card",
    "ColorCvtCode",
    "Die",
    "Graph",
    "GraphOutputType",
    "Image",
    "ImageColorSpace",
    "ImageFormat",
    "ImageResizeType",
    "Model",
    "ModelOperator",
    "OpType",
    "Operator",
    "Stream",
    "StreamBalanceMode",
    "Tensor",
    "TypeFlag",
    "as_numpy",
    "create_image",
    "cvtcolor",
    "from_numpy",
    "get_all_cards",
    "get_all_cards_count",
    "set_device",
]
