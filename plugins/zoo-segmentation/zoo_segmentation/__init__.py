"""Semantic segmentation for zoo: data sets of PNG masks, a decoder, and the mean IoU."""

from __future__ import annotations

ZOO_API = 1
