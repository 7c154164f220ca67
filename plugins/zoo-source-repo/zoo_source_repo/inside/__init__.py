"""What runs in a repository's own environment; it imports nothing of zoo."""

from __future__ import annotations
