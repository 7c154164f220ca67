"""The stages of a compilation: what vamc is given, and what it makes of it."""

from __future__ import annotations
