"""The message for weights that are not available: what is missing, and how to get it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo_core.api import ModelCard, Source, WeightsOption
from zoo_core.planning.weights import missing_weights
from zoo_core.registry import load_registry
from zoo_core.system.paths import by_hand_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def card(zoo_home: Path) -> ModelCard:
    return replace(load_registry().model("yolov4-darknet"), id="mine")


def by_hand(**files: str) -> WeightsOption:
    """An option whose files all need a manual download, by role."""
    sources = {role: Source(name=f"m.{role}", by_hand=where) for role, where in files.items()}
    return WeightsOption(format="any", files=sources)


def import_file(name: str) -> None:
    path = by_hand_file("mine", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_the_card_s_instructions_end_the_next_step(card: ModelCard) -> None:
    what, step = missing_weights(replace(card, weights=(by_hand(weights="a page,\nbelow."),)))
    assert what == "the weights of mine are not in the cache and cannot be downloaded automatically"
    assert step == (
        "give --weights FILE, or import m.weights with `zoo fetch mine --from-file FILE` "
        "(where to get it: a page, below)"
    )


def test_the_missing_file_is_named(card: ModelCard) -> None:
    changed = replace(card, weights=(by_hand(weights="here", cfg="there"),))
    import_file("m.weights")
    what, step = missing_weights(changed)
    assert what == "m.cfg of mine is not in the cache and cannot be downloaded automatically"
    assert step.endswith(
        "import m.cfg with `zoo fetch mine --from-file FILE` (where to get it: there)"
    )


def test_imported_weights_are_not_reported_as_missing(card: ModelCard) -> None:
    sources = by_hand(weights="here").files | {
        "cfg": Source(name="m.cfg", url="https://there/m.cfg", sha256="a" * 64)
    }
    changed = replace(card, weights=(WeightsOption(format="any", files=sources),))
    what = "the weights of mine are not in the cache and cannot be downloaded automatically"
    assert missing_weights(changed)[0] == what
    import_file("m.weights")
    assert missing_weights(changed) == (
        "no network, and m.cfg of mine is not in the cache",
        "run `zoo fetch mine` with network access, or give --weights FILE, or import m.cfg with "
        "`zoo fetch mine --from-file FILE` (where to get it: https://there/m.cfg)",
    )


def test_downloads_are_reported_as_missing_without_a_network(card: ModelCard) -> None:
    what, step = missing_weights(card)
    assert what == "no network, and the published weights of mine are not in the cache"
    first = "run `zoo fetch mine` with network access, or give --weights FILE, or import"
    assert step.startswith(first)


def test_a_card_without_weights(card: ModelCard) -> None:
    what, step = missing_weights(replace(card, weights=()))
    assert (what, step) == ("the card of mine has no weights", "give --weights FILE")
