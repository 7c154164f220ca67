from __future__ import annotations

import pytest

from zoo_core.api import ScoringProtocol
from zoo_core.errors import UsageError
from zoo_core.registry import load_registry
from zoo_core.registry.protocols import choose, derive, task_values

BASE = ScoringProtocol(
    name="base",
    task="detection",
    values={"conf": 0.001, "nms": 0.6, "pad": 114},
    unknown=("pad",),
)


def test_a_changed_value_derives_a_named_protocol_with_another_hash() -> None:
    derived = derive(BASE, {"conf": 0.25})

    assert derived.name == "base+conf=0.25"
    assert derived.base == "base"
    assert derived.values == {"conf": 0.25, "nms": 0.6, "pad": 114}
    assert derived.hash != BASE.hash


def test_a_value_that_is_the_same_derives_nothing() -> None:
    assert derive(BASE, {"conf": 0.001}) is BASE


def test_stating_an_unknown_value_makes_it_known() -> None:
    assert derive(BASE, {"pad": 128}).unknown == ()


def test_the_hash_is_of_the_values_not_of_the_name() -> None:
    assert derive(derive(BASE, {"conf": 0.25}), {"conf": 0.001}).hash == BASE.hash


def test_the_evaluator_sees_no_preprocessing() -> None:
    assert task_values(BASE) == {"conf": 0.001, "nms": 0.6}


def test_a_backend_may_have_its_own_default() -> None:
    registry = load_registry()
    card = registry.model("yolov4-tianxiaomo")

    assert choose(registry.protocols, card, "onnxruntime", None).name == "tianxiaomo"
    assert choose(registry.protocols, card, "vastai", None).name == "vastai"
    assert choose(registry.protocols, card, "vastai", "darknet").name == "darknet"


def test_an_unknown_protocol_is_answered_with_the_closest() -> None:
    registry = load_registry()
    card = registry.model("yolov4-tianxiaomo")

    with pytest.raises(UsageError, match="did you mean 'vastai'"):
        choose(registry.protocols, card, "onnxruntime", "vastaj")
