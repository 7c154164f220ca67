"""Dense detectors for zoo: decoders and cards of RetinaNet, CenterNet and YOLOF."""

from __future__ import annotations

ZOO_API = 1
