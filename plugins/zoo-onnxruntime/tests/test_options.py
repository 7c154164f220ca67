from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import zoo_onnxruntime
from zoo_onnxruntime.options import (
    CALIBRATORS,
    Options,
    read_options,
    target_options,
)

from zoo_core.api import Target
from zoo_core.errors import RegistryError, UsageError
from zoo_core.testing import model_card
from zoo_core.toolkit.options import canonical_calibrator


def target(**options: str) -> Target:
    return Target(backend="onnxruntime", precision="int8", device="cpu", options=options)


def settled(card: dict[str, Any], **options: str) -> Options:
    return read_options(model_card(backends={"onnxruntime": card}), target(**options))


def test_the_listed_keys_are_the_ones_that_are_read() -> None:
    assert set(zoo_onnxruntime.OPTIONS) == {field.name for field in fields(Options)}
    for key in set(zoo_onnxruntime.OPTIONS) - {"float_nodes"}:
        with pytest.raises(UsageError, match=f"{key} is 'nonsense'"):
            target_options(target(**{key: "nonsense"}))
    assert target_options(target(float_nodes="any")) == {"float_nodes": ("any",)}


def test_defaults() -> None:
    assert settled({}) == Options(
        threads=None,
        rewrites="all",
        calibrator="auto",
        percentile=99.99,
        sensitive="outputs",
        float_nodes=(),
        reduce_range=False,
    )


def test_the_command_line_goes_before_the_card() -> None:
    card = {"sensitive": "none", "float_nodes": ["a", "b*"], "percentile": 99.9, "threads": 3}
    assert settled(card).sensitive == "none"
    assert settled(card).float_nodes == ("a", "b*")
    found = settled(card, sensitive="outputs", float_nodes="c, d*,", percentile="99.5")
    assert found.sensitive == "outputs"
    assert found.float_nodes == ("c", "d*")
    assert found.percentile == 99.5
    assert found.threads == 3


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("calibrator", "kl", "entropy"),
        ("calibrator", "max", "minmax"),
        ("reduce_range", "true", True),
        ("reduce_range", "False", False),
        ("threads", "4", 4),
        ("rewrites", "none", "none"),
        ("float_nodes", "", ()),
    ],
)
def test_values_are_read(key: str, value: str, read: object) -> None:
    assert getattr(settled({}, **{key: value}), key) == read


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("percentile", "50"),
        ("percentile", "100.1"),
        ("percentile", "nan"),
        ("percentile", "most"),
        ("threads", "0"),
        ("threads", "two"),
        ("sensitive", "inputs"),
        ("rewrites", "some"),
        ("reduce_range", "1"),
        ("calibrator", "median"),
    ],
)
def test_wrong_values_are_usage_errors(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{key} is '{value}', not") as error:
        settled({}, **{key: value})
    assert not isinstance(error.value, RegistryError)


@pytest.mark.parametrize(
    "card",
    [
        {"threads": 2.5},
        {"threads": True},
        {"float_nodes": [1]},
        {"float_nodes": 7},
        {"percentile": True},
        {"percentile": None},
        {"sensitive": None},
        {"calibrator": ["minmax"]},
    ],
)
def test_wrong_values_of_a_card_are_registry_errors(card: dict[str, Any]) -> None:
    with pytest.raises(RegistryError, match=rf"contract-model.*{next(iter(card))} is"):
        settled(card)


def test_unknown_keys_are_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match="did you mean 'float_nodes'"):
        settled({}, float_node="a")
    with pytest.raises(RegistryError, match="did you mean 'percentile'"):
        settled({"percentil": 99})


def test_calibrators_have_aliases() -> None:
    assert next(iter(CALIBRATORS)) == "auto"
    assert canonical_calibrator("KL-Divergence", CALIBRATORS) == "entropy"
    assert canonical_calibrator("min-max", CALIBRATORS) == "minmax"
    with pytest.raises(UsageError, match="did you mean 'percentile'"):
        canonical_calibrator("percentiles", CALIBRATORS)
