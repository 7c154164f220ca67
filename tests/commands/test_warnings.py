"""Warnings of plugins reach the plan, the terminal, report.md and every report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import zoo_core
from zoo_core.testing import toy_parts

if TYPE_CHECKING:
    from zoo_core.api import DataPlan, DataRequest, Metrics
    from zoo_core.testing.fixtures import Zoo

SCHEMAS = Path(zoo_core.__file__).parent / "schemas"
TOY = ("toy-detector", "--backend", "toy", "--assets", "sample")
LEFT_OUT = "2 of 4 scenes were left out"
ASSUMED = "the areas of 3 boxes are assumed"


@pytest.fixture(autouse=True)
def warning_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, score = toy_parts.ToyDataset.plan, toy_parts.ToyEvaluator.score

    def plan_with_warning(self: toy_parts.ToyDataset, request: DataRequest) -> DataPlan:
        return dataclasses.replace(plan(self, request), warnings=(LEFT_OUT,))

    def score_with_warning(self: toy_parts.ToyEvaluator, *arguments: Any) -> Metrics:
        return dataclasses.replace(score(self, *arguments), warnings=(ASSUMED, LEFT_OUT))

    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    monkeypatch.setattr(toy_parts.ToyDataset, "plan", plan_with_warning)
    monkeypatch.setattr(toy_parts.ToyEvaluator, "score", score_with_warning)


def report_of(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    name = document["schema"].removeprefix("zoo.").partition("/")[0]
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text("utf-8")))
    return document


def test_a_run_says_them_once_everywhere(zoo: Zoo, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    done = zoo("run", *TOY, "--no-bench", "-o", str(folder))

    assert done.code == 0, done.stderr
    warnings = report_of((folder / "report.json").read_text("utf-8"))["warnings"]
    assert [warnings.count(text) for text in (LEFT_OUT, ASSUMED)] == [1, 1]
    assert done.stdout.count(f"warning: {LEFT_OUT}\n") == 1
    assert done.stdout.count(f"warning: {ASSUMED}\n") == 1
    assert f"warning: {LEFT_OUT}\n" in done.stderr, "it is said before the work"
    assert f"- **{ASSUMED}**" in (folder / "report.md").read_text("utf-8")


def test_a_plan_says_what_is_known(zoo: Zoo) -> None:
    assert report_of(zoo("plan", *TOY, "--json", "-").stdout)["warnings"] == [LEFT_OUT]
    assert f"warning: {LEFT_OUT}\n" in zoo("plan", *TOY).stdout


@pytest.mark.parametrize("verb", ["predict", "bench"])
def test_other_reports_hold_warnings_too(zoo: Zoo, tmp_path: Path, verb: str) -> None:
    more = ("--duration", "0.05", "--min-samples", "4") if verb == "bench" else ()
    path = tmp_path / "report.json"
    done = zoo(verb, *TOY, *more, "--json", str(path))

    assert done.code == 0, done.stderr
    warnings = report_of(path.read_text("utf-8"))["warnings"]
    assert any(text.startswith("sample weights") for text in warnings)
    assert (LEFT_OUT in warnings) is (verb == "predict"), "a benchmark runs no images"
    assert f"warning: {warnings[0]}\n" in done.stdout
