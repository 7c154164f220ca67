"""Images, boxes and detections: what goes into a network, and what comes out of it."""

from __future__ import annotations

from zoo_core.vision.anchors import AnchorHead, decode_boxes, decode_heads
from zoo_core.vision.detections import Candidates, Detections
from zoo_core.vision.geometry import (
    Geometry,
    clip_boxes,
    cxcywh_to_xyxy,
    diou,
    iou,
    xyxy_to_xywh,
)
from zoo_core.vision.image import draw_detections, image_size, read_rgb, write_image
from zoo_core.vision.nms import nms
from zoo_core.vision.preprocess import Preprocess
from zoo_core.vision.rules import DetectionRules, class_major, settle
from zoo_core.vision.steps import CentreCrop, Decode, Normalise, Resize, Scale, Step, ToTensor

__all__ = [
    "AnchorHead",
    "Candidates",
    "CentreCrop",
    "Decode",
    "DetectionRules",
    "Detections",
    "Geometry",
    "Normalise",
    "Preprocess",
    "Resize",
    "Scale",
    "Step",
    "ToTensor",
    "class_major",
    "clip_boxes",
    "cxcywh_to_xyxy",
    "decode_boxes",
    "decode_heads",
    "diou",
    "draw_detections",
    "image_size",
    "iou",
    "nms",
    "read_rgb",
    "settle",
    "write_image",
    "xyxy_to_xywh",
]
