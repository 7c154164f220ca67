"""vamp, the vendor's profiler: its command, what it prints, and what must hold of that."""

from __future__ import annotations
