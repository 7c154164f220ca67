"""Finding plugins by entry point, loading them one by one, and looking up what they provide."""

from __future__ import annotations
