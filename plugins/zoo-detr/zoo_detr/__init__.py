"""Set prediction for zoo: decoders and cards of DETR, RT-DETR and D-FINE."""

from __future__ import annotations

ZOO_API = 1
