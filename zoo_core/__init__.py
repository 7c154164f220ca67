"""A plugin-based model zoo: from a source repository's weights to numbers that can be trusted."""

from __future__ import annotations

__version__ = "0.1.0"
