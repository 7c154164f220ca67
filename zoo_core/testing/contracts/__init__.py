"""Contracts that a plugin's tests subclass; each check that fails says what was breached."""

from __future__ import annotations
