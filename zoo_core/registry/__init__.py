"""Registry files (registry.yaml): strictly parsed into model cards and scoring protocols."""

from __future__ import annotations

from zoo_core.registry.load import Registry, load_registry

__all__ = ["Registry", "load_registry"]
