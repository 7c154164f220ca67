"""Objects in images: decoding, candidates, non-maximum suppression, protocol rules, drawing.

Tasks beside `detection` keep further arrays of each box: `masks` (instance-segmentation),
`keypoints` (keypoints) and `oriented` (oriented-detection).
"""

from __future__ import annotations

from zoo_core.toolkit.detection.anchors import (
    AnchorHead,
    decode_boxes,
    decode_heads,
    decode_rows,
)
from zoo_core.toolkit.detection.detections import Candidates, Detections
from zoo_core.toolkit.detection.drawing import draw_detections
from zoo_core.toolkit.detection.keypoints import KeypointCandidates, Poses
from zoo_core.toolkit.detection.masks import Instances, MaskCandidates
from zoo_core.toolkit.detection.nms import nms
from zoo_core.toolkit.detection.oriented import OrientedCandidates, OrientedDetections
from zoo_core.toolkit.detection.rules import DetectionRules, postprocess

__all__ = [
    "AnchorHead",
    "Candidates",
    "DetectionRules",
    "Detections",
    "Instances",
    "KeypointCandidates",
    "MaskCandidates",
    "OrientedCandidates",
    "OrientedDetections",
    "Poses",
    "decode_boxes",
    "decode_heads",
    "decode_rows",
    "draw_detections",
    "nms",
    "postprocess",
]
