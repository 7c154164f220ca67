"""Which files of a card's weights are neither in a package nor were brought by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.system.paths import by_hand_file

if TYPE_CHECKING:
    from zoo_core.api import ModelCard, Source, WeightsOption


def absent_files(card: ModelCard, option: WeightsOption) -> list[Source]:
    """Those of one option; the store, where downloads are kept, is not asked."""
    sources = [source for source in option.files.values() if not source.resource]
    return [s for s in sources if not by_hand_file(card.id, s.name).is_file()]


def nearest_option(card: ModelCard) -> tuple[WeightsOption, list[Source]]:
    """The option with the fewest absent files that only a person can bring, and its absent files.

    Raises ValueError for a card without weights.
    """
    wanting = [(option, absent_files(card, option)) for option in card.weights]
    return min(wanting, key=lambda pair: sum(source.by_hand is not None for source in pair[1]))
