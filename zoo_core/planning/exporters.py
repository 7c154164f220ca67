"""Which of a card's exporters reads a file of weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Exporter, ModelCard
    from zoo_core.plugins.manager import Plugins


def exporters(card: ModelCard, plugins: Plugins) -> Mapping[str, Exporter]:
    """The card's exporter by its name, then its further ones that are installed."""
    installed = plugins.all("exporter")
    further = [name for name in card.exporters if name in installed]
    return {name: plugins.exporter(name) for name in (card.exporter, *further)}


def card_for_format(card: ModelCard, plugins: Plugins, weights_format: str) -> ModelCard:
    """The card with the first of its exporters that reads this format of weights as its exporter.

    The card itself if none does, or if the format is empty.
    """
    for name, exporter in exporters(card, plugins).items():
        if weights_format in exporter.suffixes.values():
            own = name == card.exporter
            params = card.exporter_params if own else card.exporters[name]
            return replace(card, exporter=name, exporter_params=params)
    return card
