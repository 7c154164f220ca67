"""The operators for NMS that vamc can append to a graph."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OPERATORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "yolov4_nms": ("anchor", "strides"),
        "yolov5_nms": ("anchor", "strides"),
        "yolov8_nms": ("strides",),
        "yolov10_nms": ("strides",),
        "yolov11_nms": ("strides",),
        "yolov12_nms": ("strides",),
        "yolox_nms": (),
    }
)
"""Operators that leave ids, scores and boxes -> what they must be told of the heads."""
