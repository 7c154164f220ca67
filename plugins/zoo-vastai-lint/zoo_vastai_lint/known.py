"""The keys and values that the vendor's own configurations and vdsp files have."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TOP = ("name", "frontend", "graph", "dataset", "backend", "workspace")

_COMPILE = """attention_split_num cluster_mode data_transport_mode data_type dense_special_config
enable_dense_to_matmul enable_float_to_half enable_graph_partition enable_groundingdino_axis_change
enable_groundingdino_cut_layernorm enable_inputs_align enable_transform_vision_language_pan
ffn_split_num fullatt_block_indexes gather_data_vccl_dsp_enable llm_build mem_inplace
nearest_interpol_on_dsp opt_level output_ddr output_layout partition_convergence_dsp_enable
real_output_shape split_convergence_points stream_mode switch_lhs_rhs"""

_QUANTIZE = """calibrate_chunk_by calibrate_mode calibrate_range dense_special_config exclude_layers
nearest_interpol_on_dsp ops_usingfp output_ddr overflow_adaptive quantize_dsp_ops quantize_mode
quantize_operators quantize_per_channel requant_suppress skip_conv_layers skip_matmul_layers
stream_mode weight_scale"""

LEVELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "": TOP,
        "frontend": ("checkpoint", "shape", "type", "dtype", "model_kwargs", "quantize"),
        "frontend.model_kwargs": ("model_arch", "tp", "b2s", "build_visual", "align_qkv"),
        "frontend.quantize": ("type", "device", "calib_args"),
        "graph": ("extra_ops",),
        "graph.extra_ops": ("type", "params"),
        "dataset": ("type", "path", "sampler", "process_ops", "nsamples", "name", "seqlen"),
        "dataset.sampler": ("suffix", "get_data_num"),
        "backend": (
            "type",
            "dtype",
            "compile",
            "quantize",
            "merge_params",
            "remove_params",
            "dynamic_params",
        ),
        "backend.compile": tuple(_COMPILE.split()),
        "backend.quantize": tuple(_QUANTIZE.split()),
        "workspace": ("path", "workers", "pyenv", "env_recheck"),
    }
)
OPAQUE = frozenset({"backend.compile", "backend.quantize", "frontend.model_kwargs"})
"""Levels whose keys are the compiler's own: one that is not listed may well exist."""

STALE: Mapping[str, str] = MappingProxyType(
    {
        "model": "name",
        "workspace.work_dir": "workspace.path",
        "workspace.enable_ir": "",
        "workspace.save_log": "",
    }
)
"""What is left over from vamc 2 -> what took its place."""

_YOLO = ("num_classes", "nms_threshold", "confidence_threshold")
_ANCHORED = (*_YOLO, "anchor", "strides")
_STRIDED = (*_YOLO, "strides")

EXTRA_OPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "softmax": (),
        "insert_odma": (),
        "yolov4_nms": _ANCHORED,
        "yolov5_nms": _ANCHORED,
        "mmdet_yolov3_nms": _ANCHORED,
        "yolov8_nms": _STRIDED,
        "yolov10_nms": _STRIDED,
        "yolov11_nms": _STRIDED,
        "yolov12_nms": _STRIDED,
        "yolox_nms": _YOLO,
        "retinaface_nms": (*_YOLO, "anchor"),
        "pointpillar_nms": (
            "point_cloud_range",
            "voxel_size",
            "grid_stride",
            "num_classes",
            "nms_topk",
            "post_nms",
            "confidence_thresh",
            "nms_thresh",
            "dir_offset",
            "dir_limit_offset",
            "anchor_size",
            "anchor_rotations",
            "anchor_heights",
        ),
        "centerpoint_nms": (
            "score_thresh",
            "nms_thresh",
            "feature_map_stride",
            "nms_post_max",
            "nms_pre_max",
            "max_obj_per_sample",
            "voxel_size",
            "post_center_limit_range",
            "point_cloud_range",
        ),
    }
)
"""Operator -> the parameters it is always given."""

OPTIONAL_PARAMS = ("seg_enable", "strides")

PROCESS_OPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "DecodeImage": ("backend", "cv2_flags"),
        "Resize": ("size", "adaptive_side", "interpolation", "backend"),
        "CenterCrop": ("crop_size", "backend"),
        "Pad": ("pad_to_square", "pad_val", "size", "size_divisor"),
        "CvtColor": ("code",),
        "ChannelSplit": ("index",),
        "Normalize": ("mean", "std", "div255", "norm_type"),
        "ToTensor": (),
    }
)

FRONTENDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "onnx": (".onnx",),
        "pytorch": (".pt", ".pth", ".torchscript"),
        "keras": (".h5", ".keras", ".hdf5"),
        "tensorflow": (".pb",),
        "darknet": (".weights",),
        "huggingface": (),
    }
)
"""Frontend -> the endings of its checkpoints; none where the checkpoint is a folder."""

DTYPES = ("fp16", "int8")
FRONTEND_DTYPES = ("fp32", "fp16", "int64", "int32")
CALIBRATE_MODES = ("max", "percentile", "kl_divergence", "mse")
TEXT_KEYS = (
    ("name",),
    ("frontend", "checkpoint"),
    ("frontend", "type"),
    ("frontend", "dtype"),
    ("backend", "type"),
    ("backend", "dtype"),
    ("dataset", "path"),
    ("dataset", "sampler", "suffix"),
    ("workspace", "path"),
    ("backend", "quantize", "calibrate_mode"),
)

_FUSED = """RGB_RESIZE_CVTCOLOR_CROP RGB_RESIZE_CVTCOLOR RGB_LETTERBOX_CVTCOLOR RGB_CVTCOLOR
RGB_CROP_RESIZE_CVTCOLOR YUV_NV12_LETTERBOX_2RGB YUV_NV12_RESIZE_2RGB YUV_NV12_CVTCOLOR_RESIZE
YUV_NV12_CVTCOLOR_LETTERBOX YUV_NV12_RESIZE_CVTCOLOR_CROP YUV_NV12_CVTCOLOR_RESIZE_CROP
YUV_NV12_CROP_CVTCOLOR_RESIZE"""

_SINGLE = "CVT_COLOR RESIZE FLIP WARP_AFFINE CROP COPY_MAKE_BORDER SCALE BATCH_CROP_RESIZE"

_VDSP_KEYS = """IimageFormat IimageWidth IimageHeight IimageWidthPitch IimageHeightPitch OimageWidth
OimageHeight OimageWidthPitch OimageHeightPitch OimageFormat OimageCnt ResizeType ResizeWidth
ResizeHeight CropX CropY CropWidth CropHeight CropNum ColorCvtCode ColorSpace NormaType Mean Std
Padding EdgePaddingType PaddingLeft PaddingRight PaddingTop PaddingBottom EdgeTop EdgeBottom
EdgeLeft EdgeRight Direction Flags M BorderMode BorderValue TensorType0 Scale"""

VDSP_KEYS = tuple(_VDSP_KEYS.split())
VDSP_OPS = (
    *(f"FUSION_OP_{name}_NORM_TENSOR" for name in _FUSED.split()),
    "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR_EXT",
    *(f"SINGLE_OP_{name}" for name in _SINGLE.split()),
    "BERT_EMBEDDING_OP",
)
VDSP_VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "IimageFormat": ("RGB_PLANAR", "BGR_PLANAR", "RGB888", "BGR888", "YUV_NV12", "GRAY"),
        "ResizeType": ("BILINEAR_CV", "BILINEAR", "BILINEAR_PILLOW", "NEAREST", "BICUBIC_PILLOW"),
        "ColorCvtCode": ("NO_CHANGE", "BGR2RGB", "RGB2BGR", "YUV2RGB_NV12"),
        "NormaType": (
            "DIV255_MINUSMEAN_DIVSTD",
            "DIV255",
            "MINUSMEAN_DIVSTD",
            "EQUAL",
            "DIV1275_MINUSONE",
        ),
        "EdgePaddingType": ("CONSTANT",),
    }
)
