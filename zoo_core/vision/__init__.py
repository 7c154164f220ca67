from __future__ import annotations
from zoo_core.vision.anchors import *
from zoo_core.vision.anchors import AnchorHead, decode_boxes, decode_heads
from zoo_core.vision.detections import Candidates, Detections
from zoo_core.vision.geometry import *
from zoo_core.vision.geometry import Geometry
from zoo_core.vision.nms import nms
from zoo_core.vision.preprocess import *
from zoo_core.vision.preprocess import Preprocess
from zoo_core.vision.rules import DetectionRules, settle
def __getattr__(name):
    if name in ("read_rgb", "write_image", "draw_detections", "image_size"):
        from zoo_core.vision import image
        return getattr(image, name)
    raise AttributeError(name)
