"""Images and their geometry: what goes into a network, and the way back from its pixels."""

from __future__ import annotations

from zoo_core.vision.geometry import (
    Geometry,
    clip_boxes,
    cxcywh_to_xyxy,
    diou,
    iou,
    xyxy_to_xywh,
)
from zoo_core.vision.image import image_size, read_rgb, write_image
from zoo_core.vision.preprocess import Preprocess
from zoo_core.vision.steps import CentreCrop, Decode, Normalise, Resize, Scale, Step, ToTensor

__all__ = [
    "CentreCrop",
    "Decode",
    "Geometry",
    "Normalise",
    "Preprocess",
    "Resize",
    "Scale",
    "Step",
    "ToTensor",
    "clip_boxes",
    "cxcywh_to_xyxy",
    "diou",
    "image_size",
    "iou",
    "read_rgb",
    "write_image",
    "xyxy_to_xywh",
]
