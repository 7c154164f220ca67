"""YOLO for zoo: decoders of anchor-based, anchor-free and end-to-end networks, and their cards."""

from __future__ import annotations

ZOO_API = 1
