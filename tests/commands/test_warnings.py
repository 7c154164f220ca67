"""Warnings of plugins reach the plan, the terminal, report.md and every report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
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


def test_labels_are_compared_with_ground_truth_on_disk_before_the_run(
    zoo: Zoo, tmp_path: Path
) -> None:
    names = tmp_path / "my.names"
    toy_parts.draw_images(tmp_path / "images", 3)
    weights = ("--weights", "random", "--images", str(tmp_path / "images"), "--names", str(names))
    own = ("toy-detector", "--backend", "toy", *weights)

    names.write_text("red\ngreen\n", encoding="utf-8")
    told = ["1 classes have no label: blue", "1 labels have no square: green"]
    assert report_of(zoo("plan", *own, "--json", "-").stdout)["warnings"] == [LEFT_OUT, *told]

    names.write_text("cat\ndog\n", encoding="utf-8")
    done = zoo("run", *own, "--no-bench")
    assert done.code == 6
    assert ": has none of the model's labels; give the ground truth of" in done.stderr
    assert "stages" not in done.stderr, "nothing has run"


@pytest.mark.parametrize("verb", ["run", "predict"])
def test_outputs_that_are_not_numbers_are_told(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    run = toy_parts.ToySession.run

    def spoilt(self: toy_parts.ToySession, feeds: Any) -> Any:
        outputs = run(self, feeds)
        outputs["scores"].flat[0] = np.nan
        return outputs

    monkeypatch.setattr(toy_parts.ToySession, "run", spoilt)
    more = ("--no-bench",) if verb == "run" else ()
    done = zoo(verb, *TOY, *more, "--json", str(tmp_path / "report.json"))
    assert done.code == 0, done.stderr
    warnings = report_of((tmp_path / "report.json").read_text("utf-8"))["warnings"]
    (told,) = [text for text in warnings if "NaN" in text]
    first = "of 4 of 4 images hold NaN (1.png, 2.png, 3.png and 1 more)"
    assert told.startswith(f"the network's outputs {first}")


def test_a_protocol_that_replaces_the_cards_own_resize_is_told(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(zoo_core.__file__).parent / "testing" / "toy.yaml").read_text("utf-8")
    own = text.replace("toy-detector:", "mine:").replace("mode: stretch", "mode: letterbox")
    (tmp_path / "my.yaml").write_text(own.replace("  toy:\n", "  mine:\n")
                                      .replace("protocol: toy", "protocol: mine"))  # fmt: skip
    monkeypatch.setenv("ZOO_REGISTRY", "my.yaml")
    asked = ("mine", "--backend", "toy", "--assets", "sample")
    said = (
        "protocol mine has resize stretch, which replaces letterbox of the card's preprocess; "
        "--resize letterbox keeps the card's"
    )

    assert said in report_of(zoo("eval", *asked, "--json", "-").stdout)["warnings"]
    assert f"warning: {said}" in zoo("plan", *asked).stdout
    for option in ("stretch", "letterbox"):
        chosen = zoo("eval", *asked, "--resize", option, "--json", "-").stdout
        assert not any("replaces" in text for text in report_of(chosen)["warnings"])
    assert not any("replaces" in text for text in
                   report_of(zoo("eval", *TOY, "--json", "-").stdout)["warnings"])  # fmt: skip


def test_figures_that_a_verb_does_not_give_are_not_warned_of(zoo: Zoo) -> None:
    subset = "a subset of the data set: not to be compared with figures of the whole"
    scored, seen = (zoo(verb, *TOY, "--limit", "1", "--json", "-") for verb in ("eval", "predict"))
    assert (scored.code, seen.code) == (0, 0)
    assert [subset in done.json["warnings"] for done in (scored, seen)] == [True, False]
