"""What a user's file has fixed decides, and another option is refused while planning."""

from __future__ import annotations

from typing import Any

import pytest

from zoo_core.api import GivenSettings, ScoringProtocol
from zoo_core.errors import UsageError
from zoo_core.planning.request import RunRequest
from zoo_core.planning.settings import Settings, SettingsResolver
from zoo_core.testing import model_card
from zoo_core.testing.examples import preprocess
from zoo_core.vision import Preprocess

SAID = {"size": "m.onnx: input 'x'", "batch": "m.onnx: input 'x'"}


def settled(given: dict[str, Any], **asked: Any) -> Settings:
    card = model_card(size=(32, 32))
    return SettingsResolver(
        request=RunRequest(model="any", **asked),
        card=card,
        protocol=ScoringProtocol(name=card.protocol, task="detection", values={}),
        viewing={},
        base=Preprocess.from_data(preprocess((32, 32))),
        given=GivenSettings(**given, origins=SAID),
    ).resolve()


@pytest.mark.parametrize(
    ("given", "asked", "batch", "warnings"),
    [
        ({}, {}, 1, ()),
        ({}, {"batch": 3}, 3, ()),
        ({"batch": 1}, {}, 1, ()),
        ({"batch": 4}, {}, 4, ("m.onnx: input 'x': batch 4 (default: 1)",)),
        ({"batch": 4}, {"batch": 4}, 4, ()),
    ],
)
def test_a_fixed_batch_is_taken_and_told(
    given: dict[str, Any], asked: dict[str, Any], batch: int, warnings: tuple[str, ...]
) -> None:
    found = settled(given, **asked)

    assert (found.batch, found.warnings) == (batch, warnings)


def test_another_batch_than_the_fixed_one_is_refused() -> None:
    with pytest.raises(UsageError, match="takes batches of 4 only, asked for 2; use --batch 4"):
        settled({"batch": 4}, batch=2)


def test_a_fixed_size_is_taken_and_another_refused() -> None:
    given = {"size": (64, 96), "fixed_size": True}
    found = settled(given)

    assert found.size == found.preprocess.size == (64, 96)
    assert found.warnings == ("m.onnx: input 'x': size 64x96 (card: 32x32)",)
    assert settled(given, size=(64, 96)).size == (64, 96)
    with pytest.raises(UsageError, match="images of 64x96 only, asked for 32x32; use --size 64,96"):
        settled(given, size=(32, 32))
    assert settled({"size": (64, 96)}, size=(32, 32)).size == (32, 32)
