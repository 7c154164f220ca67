"""What is said where no weights can be had: what is missing, and every way to bring it."""

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
    """An option all of whose files a person brings, by role."""
    sources = {role: Source(name=f"m.{role}", by_hand=where) for role, where in files.items()}
    return WeightsOption(format="any", files=sources)


def brought(name: str) -> None:
    path = by_hand_file("mine", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_the_words_of_a_card_end_the_sentence(card: ModelCard) -> None:
    what, step = missing_weights(replace(card, weights=(by_hand(weights="a page,\nbelow."),)))
    assert what == "the weights of mine are brought by hand, and are not here"
    assert step == (
        "give --weights FILE, or bring m.weights by `zoo fetch mine --from-file FILE` "
        "(where to get it: a page, below)"
    )


def test_the_file_that_is_still_away_is_named(card: ModelCard) -> None:
    asked = replace(card, weights=(by_hand(weights="here", cfg="there"),))
    brought("m.weights")
    what, step = missing_weights(asked)
    assert what == "m.cfg of mine is brought by hand, and is not here"
    assert step.endswith(
        "bring m.cfg by `zoo fetch mine --from-file FILE` (where to get it: there)"
    )


def test_weights_that_were_brought_are_not_said_to_be_missing(card: ModelCard) -> None:
    sources = by_hand(weights="here").files | {
        "cfg": Source(name="m.cfg", url="https://there/m.cfg", sha256="a" * 64)
    }
    asked = replace(card, weights=(WeightsOption(format="any", files=sources),))
    assert missing_weights(asked)[0] == "the weights of mine are brought by hand, and are not here"
    brought("m.weights")
    assert missing_weights(asked) == (
        "no network, and m.cfg of mine is not in the cache",
        "run `zoo fetch` where there is one, or give --weights FILE, or bring m.cfg by "
        "`zoo fetch mine --from-file FILE` (where to get it: https://there/m.cfg)",
    )


def test_what_a_network_would_bring_is_said_to_be_missing(card: ModelCard) -> None:
    what, step = missing_weights(card)
    assert what == "no network, and the published weights of mine are not in the cache"
    assert step.startswith("run `zoo fetch` where there is one, or give --weights FILE, or bring")


def test_a_card_without_weights_says_so(card: ModelCard) -> None:
    what, step = missing_weights(replace(card, weights=()))
    assert (what, step) == ("the card of mine names no weights", "give --weights FILE")
