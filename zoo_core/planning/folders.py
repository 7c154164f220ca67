"""Which data set reads the folder of images that a user gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from zoo_core.api import ModelCard
    from zoo_core.registry import Registry

_KEY = "given_dataset"


def folder_dataset(card: ModelCard, registry: Registry) -> str:
    """The card's `given_dataset`.

    Raises UsageError where it states none, with those that other cards of its task state.
    """
    if card.given_dataset is not None:
        return card.given_dataset
    known = sorted(
        other.given_dataset
        for other in registry.models.values()
        if other.task == card.task and other.given_dataset is not None
    )
    name = max(known, key=known.count) if known else "NAME"
    raise UsageError(
        f"--images needs the key '{_KEY}', the data set that reads a folder; the card has none",
        where=f"{card.origin}: models.{card.id}",
        next=f"add `{_KEY}: {name}` to the card, or give --dataset {name}",
    )
