"""Finds plugins by entry point, loads them one by one, and looks up what they provide."""

from __future__ import annotations
