"""Classification by whole commands: the same verbs, reports and gates as for detection."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import zoo_core

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Outcome, Zoo

PLUGINS = ("zoo_classification", "zoo_coco", "zoo_sample", "zoo_onnx", "zoo_onnxruntime")
CARD = "crops-classifier"
FEW = ("--limit", "60", "--calibration-images", "24", "--no-bench")
_DETECTION = ("bbox", "detect", "AP50", "boxes", "pycocotools", "nms")


def report(done: Outcome) -> dict[str, Any]:
    assert done.code == 0, done.stderr
    found: dict[str, Any] = done.json
    name = found["schema"].removeprefix("zoo.").partition("/")[0]
    schema = Path(zoo_core.__file__).parent / "schemas" / f"{name}.json"
    jsonschema.validate(found, json.loads(schema.read_text()))
    return found


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_run_scores_and_passes_its_gate(commands: Zoo, tmp_path: Path, precision: str) -> None:
    gate = ("--min-metric", "top1=0.8")
    found = report(
        commands("run", CARD, *FEW, "--precision", precision, *gate, "-o", "out", "--json", "-")
    )

    assert found["task"] == "classification"
    assert list(found["metrics"]) == ["top1", "top5"]
    assert found["metrics"]["top1"] >= 0.9
    assert found["assets"] == {"weights": "published", "data": "sample"}
    assert found["subset"]["of"] == 500
    assert (found["precision_report"]["int8_nodes"] > 0) == (precision == "int8")
    assert found["verify"]["reference"].startswith("crops.onnx itself")
    text = (tmp_path / "out" / "report.md").read_text()
    assert "Accuracy (top-1)" in text
    assert not [word for word in _DETECTION if word in text]
    with (tmp_path / "out" / "predictions.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 60


def test_a_gate_that_is_missed(commands: Zoo) -> None:
    done = commands("run", CARD, *FEW, "--min-metric", "top1=1")

    assert done.code == 3
    assert "top1 is" in done.stderr


def test_a_metric_of_another_task_is_unknown(commands: Zoo) -> None:
    done = commands("run", CARD, *FEW, "--min-metric", "AP=0.4")

    assert done.code == 2
    assert "known: top1, top5" in done.stderr


def test_options_of_detection_are_refused(commands: Zoo) -> None:
    done = commands("run", CARD, *FEW, "--conf", "0.5")

    assert done.code == 2
    assert "--conf: crops-classifier is for classification" in done.stderr


def test_the_truth_of_another_task_is_refused(commands: Zoo) -> None:
    done = commands("run", CARD, *FEW, "--dataset", "sample-scenes")

    assert done.code == 2
    assert "is for detection and instance-segmentation, but " in done.stderr
    assert "use --dataset sample-crops" in done.stderr


def test_predict_tells_the_class(commands: Zoo, tmp_path: Path) -> None:
    seen = report(commands("predict", CARD, "--limit", "6", "-o", "seen", "--json", "-"))
    crops = json.loads((tmp_path / "seen" / "predictions.json").read_text())

    assert len(list((tmp_path / "seen" / "pictures").glob("*.jpg"))) == 6
    for row, crop in zip(seen["images"], crops, strict=True):
        label = crop["file_name"].partition("/")[0].replace("_", " ")
        assert row["told"].startswith(label)
        assert row["found"] >= 1


def test_a_folder_of_ones_own(commands: Zoo, shared_home: Path, tmp_path: Path) -> None:
    """Class folders with names of labels; given weights, as for any images of one's own."""
    report(commands("run", CARD, *FEW, "--json", "-"))
    listings = shared_home.glob("store/*/*/*/crops.json")
    listing = max(listings, key=lambda path: path.stat().st_size)
    for row in json.loads(listing.read_text())[:12]:
        target = tmp_path / "val" / row["name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(listing.parent / "images" / row["name"], target)
    weights = Path(__file__).parents[1] / "zoo_classification" / "network" / "crops.onnx"
    given = ("--weights", weights, "--images", tmp_path / "val", "--no-bench", "--json", "-")
    result = report(commands("run", CARD, *given))

    assert result["assets"] == {"weights": "given", "data": "given"}
    assert result["dataset"] == "imagenet-folder"
    assert result["images"] == 12
    assert result["metrics"]["top1"] >= 0.9


def test_the_network_is_small() -> None:
    path = Path(__file__).parents[1] / "zoo_classification" / "network" / "crops.onnx"
    assert path.stat().st_size <= 200_000
