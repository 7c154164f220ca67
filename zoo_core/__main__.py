"""`python -m zoo_core` is `zoo`."""

from __future__ import annotations

from zoo_core.cli import script

script()
