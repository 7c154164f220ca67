"""The table of speed: each figure measured on the machine at hand, beside its goal."""

from __future__ import annotations
