"""Object detection: candidates, anchors, non-maximum suppression, protocol rules, drawing."""

from __future__ import annotations

from zoo_core.toolkit.detection.anchors import AnchorHead, decode_boxes, decode_heads
from zoo_core.toolkit.detection.detections import Candidates, Detections
from zoo_core.toolkit.detection.drawing import draw_detections
from zoo_core.toolkit.detection.nms import nms
from zoo_core.toolkit.detection.rules import DetectionRules, postprocess

__all__ = [
    "AnchorHead",
    "Candidates",
    "DetectionRules",
    "Detections",
    "decode_boxes",
    "decode_heads",
    "draw_detections",
    "nms",
    "postprocess",
]
