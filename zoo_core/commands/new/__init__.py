"""What `zoo new` writes: a plugin that works, or a card of a known family."""

from __future__ import annotations

from zoo_core.commands.new.card import new_card
from zoo_core.commands.new.names import KINDS, Naming
from zoo_core.commands.new.project import Made, new_plugin

__all__ = ["KINDS", "Made", "Naming", "new_card", "new_plugin"]
