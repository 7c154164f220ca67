"""What the emulated programs refuse."""

from __future__ import annotations


class RefusedError(Exception):
    """The program ends with an error that says this, and a code that is not 0."""
