"""The decoders of anchor boxes: what each family's repository does and assumes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_dense.anchors import OCTAVES
from zoo_dense.decoder import AnchorDecoder

if TYPE_CHECKING:
    from collections.abc import Mapping


def _steps(
    colour: str, resize: Mapping[str, Any], mean: list[float], std: list[float]
) -> tuple[Mapping[str, Any], ...]:
    return (
        {"op": "decode", "colour": colour},
        {"op": "resize", "interpolation": "bilinear", **resize},
        {"op": "normalise", "mean": mean, "std": std},
        {"op": "to_tensor"},
    )


_MEAN, _STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
_LETTERBOX = {"mode": "letterbox", "pad": 114, "anchor": "top_left"}
_MULTI = {"nms_kind": "iou", "box_labels": "multi", "clip": True}
_WHOLE = [[int(side) for side in level] for level in OCTAVES]
_BOXES = MappingProxyType({**_MULTI, "conf": 0.05, "nms": 0.5, "max_detections": 100})

MMDET = AnchorDecoder("retinanet-mmdet", {}, _steps("rgb", _LETTERBOX, _MEAN, _STD), dict(_BOXES))
"""MMDetection: anchors around a cell's left top corner; limits of 16 / 1000 on both sides."""

TORCHVISION = AnchorDecoder(
    "retinanet-torchvision",
    {
        "sizes": _WHOLE,
        "fitted": True,
        "rounded": True,
        "side_factors": [0.0, 62.5],
    },
    _steps("rgb", {"mode": "stretch"}, _MEAN, _STD),
    {**_BOXES, "max_detections": 300},
)
"""torchvision, and MLCommons' training of it: whole-pixel anchors, steps of whole pixels."""

YHENON = AnchorDecoder(
    "retinanet-yhenon",
    {
        "centre": 0.5,
        "stds": [0.1, 0.1, 0.2, 0.2],
        "side_factors": [0.0, 1e30],
        "scores": "probabilities",
        "top": None,
        "clip": "network",
    },
    _steps("rgb", _LETTERBOX, _MEAN, _STD),
    dict(_BOXES),
)
"""yhenon/pytorch-retinanet: anchors around a cell's middle, deltas in tenths and fifths."""

YOLOF = AnchorDecoder(
    "yolof",
    {
        "strides": [32],
        "sizes": [[32, 64, 128, 256, 512]],
        "ratios": [1],
        "side_factors": [0.0, 62.5],
        "centre_limit": 32,
    },
    _steps("bgr", _LETTERBOX, [103.53, 116.28, 123.675], [1.0, 1.0, 1.0]),
    {**_BOXES, "nms": 0.6},
)
"""MMDetection's YOLOF: one level, squares of five sides, centres moved by 32 pixels at most."""
