"""The file route: images as npz for vamp, and the outputs that it wrote."""

from __future__ import annotations
