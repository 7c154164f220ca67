"""The cards with bundled networks: masks and key points from whole commands, with no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest

import zoo_core

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Outcome, Zoo

PLUGINS = ("zoo_yolo", "zoo_coco", "zoo_sample", "zoo_onnx", "zoo_onnxruntime")
CARDS = ("scenes-instances", "scenes-poses")
FEW = ("--limit", "24", "--calibration-images", "16", "--no-bench")
LEAST = 0.3


def report(done: Outcome) -> dict[str, Any]:
    assert done.code == 0, done.stderr
    found: dict[str, Any] = done.json
    name = found["schema"].removeprefix("zoo.").partition("/")[0]
    schema = Path(zoo_core.__file__).parent / "schemas" / f"{name}.json"
    jsonschema.validate(found, json.loads(schema.read_text()))
    return found


def scenes(home: Path) -> Path:
    """The drawn scenes with instances.json, in zoo's store."""
    found = [path for path in home.rglob("instances.json") if '"keypoints"' in path.read_text()]
    by_count = {len(json.loads(path.read_text())["images"]): path.parent for path in found}
    return by_count[24]


def oracle(truth: Path, rows: list[dict[str, Any]], kind: str) -> list[float]:
    """The figures of pycocotools itself; four points count alike."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    from pycocotools.mask import frPyObjects

    data = json.loads(truth.read_text())
    for row in (*data["annotations"], *rows):
        shape = row.get("segmentation")
        if isinstance(shape, dict) and isinstance(shape["counts"], list):
            row["segmentation"] = frPyObjects(shape, *shape["size"])
        if kind == "keypoints":
            row.pop("segmentation", None)
    known = COCO()
    known.dataset = data
    known.createIndex()
    done = COCOeval(known, known.loadRes(rows), kind)
    if kind == "keypoints":
        done.params.kpt_oks_sigmas = np.full(4, 0.25)
    done.evaluate()
    done.accumulate()
    done.summarize()
    return [float(value) for value in done.stats]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("card", CARDS)
def test_a_run_scores_as_pycocotools(
    commands: Zoo, shared_home: Path, tmp_path: Path, card: str, precision: str
) -> None:
    pytest.importorskip("pycocotools")
    kind = "segm" if card == CARDS[0] else "keypoints"
    line = ("run", card, *FEW, "--precision", precision, "-o", "out", "--json", "-")
    found = report(commands(*line))

    assert found["task"] == ("instance-segmentation" if kind == "segm" else "keypoints")
    assert found["assets"] == {"weights": "published", "data": "sample"}
    assert found["metrics"]["AP"] > LEAST and found["metrics"]["box_AP"] > LEAST
    low, high = found["intervals"]["AP"]
    assert low < found["metrics"]["AP"] < high
    rows = json.loads((tmp_path / "out" / "predictions.json").read_text())
    stats = oracle(scenes(shared_home) / "instances.json", rows, kind)
    assert found["metrics"]["AP"] == pytest.approx(stats[0], abs=1e-6)
    assert found["metrics"]["AP50"] == pytest.approx(stats[1], abs=1e-6)
    if precision == "int8":
        assert found["precision_report"]["int8_nodes"] > 0


@pytest.mark.parametrize("card", CARDS)
def test_predict_draws(commands: Zoo, shared_home: Path, tmp_path: Path, card: str) -> None:
    report(commands("run", card, *FEW, "--json", "-"))
    image = min((scenes(shared_home) / "images").iterdir())
    found = report(commands("predict", card, image, "-o", "seen", "--json", "-"))
    assert found["images"][0]["found"] > 0
    assert set(found["images"][0]["labels"]) <= {"arrow", "dart", "hammer"}
    assert len(list((tmp_path / "seen" / "pictures").glob("*.jpg"))) == 1
