"""registry.yaml: facts about models, read strictly into cards."""

from __future__ import annotations

from zoo_core.registry.load import Registry, load_registry

__all__ = ["Registry", "load_registry"]
