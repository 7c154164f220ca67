"""Small detectors for zoo: decoders and cards of YOLO-FastestV2, FastestDet and NanoDet."""

from __future__ import annotations

ZOO_API = 1
