"""Source repositories for zoo: export by their own scripts, as a model card describes."""

from __future__ import annotations

ZOO_API = 1
