"""`zoo new`: creates a working plugin, or the card of a model."""

from __future__ import annotations

from zoo_core.commands.new.card import new_card
from zoo_core.commands.new.names import KINDS, Naming
from zoo_core.commands.new.project import NewFiles, new_plugin

__all__ = ["KINDS", "Naming", "NewFiles", "new_card", "new_plugin"]
