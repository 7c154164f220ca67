"""int8 that lost accuracy or time against fp32 says so, where fp32 was run."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.system.paths import home
from zoo_core.testing import toy_parts

if TYPE_CHECKING:
    from zoo_core.api import Metrics
    from zoo_core.testing.fixtures import Outcome, Zoo

TOY = ("toy-detector", "--backend", "toy", "--assets", "sample")
BENCH = ("--duration", "0.05", "--min-samples", "4", "--no-breakdown")


@pytest.fixture(autouse=True)
def only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")


def warnings(done: Outcome, start: str) -> list[str]:
    assert done.code == 0, done.stderr
    told: list[str] = done.json["warnings"]
    return [text for text in told if text.startswith(start)]


def int8(zoo: Zoo, verb: str, *more: str) -> Outcome:
    return zoo(verb, *TOY, "--precision", "int8", *more, "--json", "-")


@pytest.mark.parametrize(("share", "lost"), [(0.62, True), (0.94, True), (0.96, False)])
def test_accuracy_that_int8_lost_is_told_with_both_figures(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, share: float, lost: bool
) -> None:
    assert zoo("eval", *TOY).code == 0
    score = toy_parts.ToyEvaluator.score

    def worse(self: toy_parts.ToyEvaluator, *arguments: Any) -> Metrics:
        found = score(self, *arguments)
        values = {name: value and value * share for name, value in found.values.items()}
        return dataclasses.replace(found, values=values)

    monkeypatch.setattr(toy_parts.ToyEvaluator, "score", worse)
    told = warnings(int8(zoo, "eval"), "int8: F1")
    figures = f"int8: F1 {share:.4f}, where fp32 has 1.0000 on the same images: {1 - share:.0%}"
    assert told == [f"{figures} of it is lost; see docs/how-to/int8-is-bad.md"] * lost


def test_without_a_float_run_of_these_images_nothing_is_compared(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert zoo("eval", *TOY, "--limit", "2").code == 0
    score = toy_parts.ToyEvaluator.score

    def none(self: toy_parts.ToyEvaluator, *arguments: Any) -> Metrics:
        return dataclasses.replace(score(self, *arguments), values={"F1": 0.1})

    monkeypatch.setattr(toy_parts.ToyEvaluator, "score", none)
    assert warnings(int8(zoo, "eval"), "int8: F1") == []


@pytest.mark.parametrize("verb", ["bench", "run"])
@pytest.mark.parametrize("batch", [1, 2])
def test_int8_that_is_slower_is_told_with_the_ratio(zoo: Zoo, verb: str, batch: int) -> None:
    assert zoo("bench", *TOY, *BENCH, "-o", "b").code == 0
    path = home() / "runs.jsonl"
    row = json.loads(path.read_text(encoding="utf-8"))
    row["speed"]["median_ms"] = 1e-4
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    more = BENCH if verb == "bench" else ()
    told = warnings(int8(zoo, verb, *more, "--batch", str(batch)), "int8 takes")
    assert len(told) == (batch == 1), "another batch is another measurement"
    for text in told:
        assert "times as long as fp32 on toy: " in text
        assert f"and 0.0 ms in the run of {row['when']}; see docs/how-to/" in text


def test_int8_that_is_faster_is_not(zoo: Zoo) -> None:
    assert zoo("bench", *TOY, *BENCH, "-o", "b").code == 0
    path = home() / "runs.jsonl"
    row = json.loads(path.read_text(encoding="utf-8"))
    row["speed"]["median_ms"] = 1e6
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert warnings(int8(zoo, "bench", *BENCH), "int8 takes") == []
