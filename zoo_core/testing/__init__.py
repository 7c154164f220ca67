"""The kit."""

from __future__ import annotations
