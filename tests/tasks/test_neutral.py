"""What the core says is the same for every task, and nothing of one task is said of another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo_core.api import DataRequest, Stage
from zoo_core.commands.predict import Describes
from zoo_core.errors import UsageError
from zoo_core.pipeline.plan import make_plan
from zoo_core.planning.build import Goal, plan_run
from zoo_core.planning.request import RunRequest
from zoo_core.planning.resolve import CacheState
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import load_registry
from zoo_core.reporting.build import versions
from zoo_core.reporting.owned_files import OwnedFiles
from zoo_core.testing import toy
from zoo_core.testing.toy_parts import ToyDataset, ToyEvaluator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo_core.api import Arrays, DataPlan
    from zoo_core.testing.fixtures import Zoo

SOMEWHERE = CacheState(is_cached=lambda _stages: False, is_reachable=lambda _url: False)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    monkeypatch.setenv("ZOO_PLUGINS", toy.__name__)
    return Plugins.installed()


def planned(plugins: Plugins) -> Any:
    request = RunRequest(model="toy-detector", backend="toy")
    registry = load_registry(plugins.registry_files())
    return plan_run(request, registry, plugins, SOMEWHERE, Goal.SCORE)


def test_a_data_set_finds_others_by_name(toys: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning gives it the lookup, so that a set can be made of another."""
    asked: list[DataRequest] = []
    plan = ToyDataset.plan

    def noted(self: ToyDataset, request: DataRequest) -> DataPlan:
        asked.append(request)
        return plan(self, request)

    monkeypatch.setattr(ToyDataset, "plan", noted)
    planned(toys)

    assert asked
    for request in asked:
        assert request.others is not None
        assert isinstance(request.others("toy-drawn"), ToyDataset)
        with pytest.raises(UsageError, match="toy-shape"):
            request.others("toy-shape")


def test_truth_of_another_task_is_refused(toys: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyDataset, "task", "classification")
    with pytest.raises(UsageError, match=r"for classification, but toy-detector is for"):
        planned(toys)


def test_versions_are_those_the_stages_name() -> None:
    """pycocotools is told of a run that is scored with it, and of no other."""
    plain = make_plan([Stage(name="a", run="json:dumps", outputs=("x",), versions=("numpy",))])
    scored = make_plan([Stage(name="a", run="json:dumps", outputs=("x",), versions=("pytest",))])

    assert "pycocotools" not in versions(plain)
    assert "pytest" not in versions(plain)
    assert versions(scored).keys() == {*versions(plain), "pytest"}
    assert versions(make_plan([]))["numpy"] == np.__version__


def test_versions_are_those_of_the_plugins_whose_code_runs() -> None:
    """With what they require; no other plugin's."""
    pytest.importorskip("zoo_onnxruntime")
    own = Stage(name="a", run="zoo_onnxruntime.runtime:open", outputs=("x",))
    other = Stage(name="a", run="json:dumps", outputs=("x",), sources=("zoo_onnxruntime.runtime",))

    for stage in (own, other):
        found = versions(make_plan([stage]))
        assert {"zoo-core", "zoo-onnxruntime", "onnxruntime", "numpy"} <= found.keys()
        assert "openvino" not in found
    assert "onnxruntime" not in versions(make_plan([]))


def test_predict_counts_where_an_evaluator_tells_nothing(zoo: Zoo, toys: Plugins) -> None:
    done = zoo("predict", "toy-detector", "--backend", "toy", "--json", "-")

    assert done.code == 0, done.stderr
    rows = done.json["images"]
    assert not isinstance(ToyEvaluator(), Describes)
    sums = [sum(int(part.split()[-1]) for part in row["told"].split(", ")) for row in rows]
    assert sums == [row["found"] for row in rows]
    assert done.json["lines"] == [f"{row['picture']}: {row['told']}" for row in rows]


def test_predict_says_what_an_evaluator_tells(
    zoo: Zoo, toys: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def describe(self: Any, prediction: Arrays, labels: Sequence[str], least: float) -> str:
        return f"{labels[0]} above {least}"

    monkeypatch.setattr(ToyEvaluator, "describe", describe, raising=False)
    done = zoo("predict", "toy-detector", "--backend", "toy", "--show-conf", "0.5")

    assert done.code == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if not line.startswith("warning: ")]
    assert told
    assert all(line.endswith(": red above 0.5") for line in told)


def test_a_folder_keeps_no_predictions_of_another_task(
    zoo: Zoo, toys: Plugins, tmp_path: Path
) -> None:
    run = ("run", "toy-detector", "--backend", "toy", "--no-bench", "-o", "out")
    assert zoo(*run).code == 0
    stale = tmp_path / "out" / "predictions.csv"
    stale.write_text("of a classifier")
    written = OwnedFiles.load(tmp_path / "out")
    written.with_kind("results", {*written.of_kind("results"), stale.name}).save()
    assert json.loads((tmp_path / "out" / "report.json").read_text())["task"] == "detection"
    assert zoo(*run).code == 0

    assert not stale.exists()
