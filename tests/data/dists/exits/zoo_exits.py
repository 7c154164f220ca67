"""A plugin that ends the process."""

from __future__ import annotations

raise SystemExit("no licence found")
