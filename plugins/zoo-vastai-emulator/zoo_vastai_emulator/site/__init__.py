"""A folder for PYTHONPATH: with it in front, `import vaststreamx` finds the emulator."""

from __future__ import annotations
