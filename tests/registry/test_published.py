"""Published figures that contradict each other are named, and stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import RegistryError
from zoo_core.registry import Registry, load_registry
from zoo_core.registry.published import contradictions

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import ModelCard

HEAD = """
protocols: {p: {task: detection, values: {conf: 0.001, nms: 0.65}}}
models:
  listed:
    task: detection
    license: MIT
    source: {name: a/b, url: "https://example.org"}
    exporter: e
    decoder: d
    preprocess: []
    labels: [cat]
    evaluator: v
    dataset: s
    size: [32, 64]
    protocol: p
    published:
"""
ROW = "id: {id}, protocol: p, dataset: s, size: [32, 64], weights: w, precision: fp16, device: d"


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reading:
    monkeypatch.setenv("ZOO_REGISTRY", str(tmp_path / "own.yaml"))
    monkeypatch.chdir(tmp_path)
    return Reading(tmp_path / "own.yaml")


class Reading:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, *rows: str) -> tuple[ModelCard, Registry]:
        text = "".join(f"      - {{{row}}}\n" for row in rows)
        self.path.write_text(f"schema: 1\n{HEAD}{text}", encoding="utf-8")
        registry = load_registry()
        return registry.model("listed"), registry

    def messages(self, *rows: str) -> list[str]:
        card, registry = self(*rows)
        return [what for what, _ in contradictions(card, registry.protocols)]


def row(name: str, rest: str = "") -> str:
    return ROW.format(id=name) + (f", {rest}" if rest else "")


def test_rows_of_other_conditions_are_no_contradiction(read: Reading) -> None:
    other = row("b", "metrics: {AP: 0.4}").replace("fp16", "int8")

    assert read.messages(row("a", "metrics: {AP: 0.5}"), other) == []


def test_two_rows_of_the_same_conditions_are_named_with_what_differs(read: Reading) -> None:
    first = row("a", "metrics: {AP: 0.256, AP50: 0.4}")
    second = row("b", "metrics: {AP: 0.25, AP50: 0.4}")

    assert read.messages(first, second) == [
        "published rows a and b have the same conditions: AP 0.256 and 0.25"
    ]


def test_another_text_on_the_same_figures_is_kept_and_compared(read: Reading) -> None:
    elsewhere = (
        "elsewhere: [{where: its copy, text: '0.437 0.617', metrics: {AP: %s, AP50: 0.617}}]"
    )
    stated = "metrics: {AP: 0.447, AP50: 0.617}, "

    card, _ = read(row("a", stated + elsewhere % "0.437"))
    assert card.published[0].metrics["AP"] == 0.447
    assert card.published[0].conditions["elsewhere"][0]["text"] == "0.437 0.617"
    assert read.messages(row("a", stated + elsewhere % "0.437")) == [
        "a is disputed: AP 0.447, there 0.437 (its copy: 0.437 0.617)"
    ]
    assert read.messages(row("a", stated + elsewhere % "0.447")) == []


def test_thresholds_of_a_shipped_configuration_are_held_against_the_protocol(
    read: Reading,
) -> None:
    assert read.messages(row("a", "build: {conf: 0.25, nms: 0.65}")) == [
        "a: the configuration shipped with it has conf 0.25, protocol p has conf 0.001"
    ]
    assert read.messages(row("a", "build: {conf: 0.001, nms: 0.65}")) == []


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("elsewhere: [{where: x, text: y, metrics: {AP: 43.7}}]", "must be a fraction"),
        ("elsewhere: [{where: x, text: y, metric: {}}]", "unknown key 'metric'; did you mean"),
        ("elsewhere: [{where: x}]", "key 'text' is missing"),
        ("build: 0.25", "build: must be dict"),
        ("metrics: {AP: true}", "metrics.AP: must be a fraction from 0 to 1, is True"),
        ("elswhere: []", "unknown key 'elswhere'; did you mean 'elsewhere'?"),
    ],
)
def test_what_is_wrong_is_named(read: Reading, rest: str, message: str) -> None:
    with pytest.raises(RegistryError) as caught:
        read(row("a", rest))

    assert message in str(caught.value)
    assert "models.listed.published[0]" in str(caught.value)
