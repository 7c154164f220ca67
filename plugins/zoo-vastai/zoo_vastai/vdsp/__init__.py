"""The vendor's vdsp files: what the device does to an image before the network sees it."""

from __future__ import annotations

from zoo_vastai.vdsp.model import VdspOp
from zoo_vastai.vdsp.read import parse_vdsp, read_vdsp, vdsp_text
from zoo_vastai.vdsp.render import per_image, render_vdsp

__all__ = ["VdspOp", "parse_vdsp", "per_image", "read_vdsp", "render_vdsp", "vdsp_text"]
