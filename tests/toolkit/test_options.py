from __future__ import annotations

from typing import Any

import pytest

from zoo_core.api import Target
from zoo_core.errors import RegistryError, UsageError
from zoo_core.testing import model_card
from zoo_core.toolkit.options import (
    calibrator,
    calibrators,
    canonical_calibrator,
    card_options,
    count,
    flag,
    names,
    one_of,
    opset,
    share,
    target_options,
)

KNOWN = calibrators("percentile", "max", "entropy")
READERS = {
    "threads": count("threads"),
    "rewrites": one_of("all", "some", "none"),
    "calibrator": calibrator(KNOWN),
    "percentile": share(above=50),
    "nodes": names(),
    "reduce": flag(),
}


def target(**options: str) -> Target:
    return Target(backend="b", precision="int8", device="cpu", options=options)


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("threads", "4", 4),
        ("rewrites", "some", "some"),
        ("calibrator", "kl", "entropy"),
        ("percentile", "99.5", 99.5),
        ("nodes", "a, b*,", ("a", "b*")),
        ("reduce", "False", False),
        ("reduce", "true", True),
    ],
)
def test_values_are_read_alike_from_both_places(key: str, value: str, read: Any) -> None:
    assert target_options(target(**{key: value}), READERS) == {key: read}
    card = model_card(backends={"b": {key: value}})
    assert card_options(card, "b", READERS) == {key: read}
    assert card_options(card, "another", READERS) == {}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("threads", "0", "a number of threads from 1"),
        ("threads", 2.5, "a number of threads from 1"),
        ("rewrites", "any", "all, some or none"),
        ("calibrator", "median", "one of percentile, max, entropy"),
        ("percentile", "50", "a number above 50 and up to 100"),
        ("percentile", True, "a number above 50 and up to 100"),
        ("nodes", [1], "a list of names or globs"),
        ("reduce", "1", "true or false"),
    ],
)
def test_wrong_values_say_what_is_expected(key: str, value: Any, expected: str) -> None:
    with pytest.raises(RegistryError, match=rf"backends\.b: {key} is .*, not {expected}"):
        card_options(model_card(backends={"b": {key: value}}), "b", READERS)
    with pytest.raises(UsageError, match="did you mean 'threads'"):
        target_options(target(thread="1"), READERS)


def test_calibrators_and_their_aliases() -> None:
    assert next(iter(KNOWN)) == "percentile"
    assert KNOWN["min_max"] == KNOWN["minmax"] == KNOWN["max"] == "max"
    assert canonical_calibrator("KL-Divergence", KNOWN) == "entropy"
    with pytest.raises(UsageError, match="unknown calibrator 'percentiles'"):
        canonical_calibrator("percentiles", KNOWN)


def test_opsets() -> None:
    assert opset({}, "card") == 17
    assert opset({"opset": 11}, "card") == 11
    for wrong in (9, True, "17", 17.0):
        with pytest.raises(RegistryError, match=r"card\.opset: must be a whole number from 11"):
            opset({"opset": wrong}, "card")
