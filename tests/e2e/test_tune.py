"""`zoo tune` on a real network: what it says is what runs then score."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

DATA = Path(os.environ.get("ZOO_TEST_DATA", "/nonexistent"))
pytestmark = pytest.mark.skipif(
    "ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is unset: no real images here"
)

TRUTH = DATA / "coco-val2017-128" / "instances.json"
MODEL: tuple[str | Path, ...] = (
    *("nanodet-m", "--weights", DATA / "third-party" / "nanodet_m_320.onnx", "--limit", "12"),
    *("--images", DATA / "coco-val2017-128" / "images", "--annotations", TRUTH),
)
INT8: tuple[str | Path, ...] = (
    *("--precision", "int8", "--calibration", DATA / "coco-train2017-64" / "images"),
    *("--calibration-images", "4"),
)


def ap_of(run: Path) -> float:
    """AP of a run folder's predictions by pycocotools, on the images that it scored."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    truth = coco.COCO(str(TRUTH))
    (file,) = run.glob("predictions*.json")
    found = truth.loadRes(str(file))
    judge = evaluation.COCOeval(truth, found, "bbox")
    judge.params.imgIds = sorted(truth.getImgIds())[:12]
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return float(judge.stats[0])


def test_what_is_found_is_what_later_runs_score(zoo: Zoo) -> None:
    """With the other steps set by hand, what is left to try are layers in float."""
    start = (*MODEL, *INT8, "--calibrator", "minmax")
    fixed = {"bias_correction": "false", "equalise": "none"}
    by_hand = [word for key, value in fixed.items() for word in ("--option", f"{key}={value}")]
    done = zoo("tune", *start, *by_hand, "--max-drop", "0", "--trials", "3", "--json", "-")
    assert done.code in (0, 3), done.stderr
    report = done.json
    drops = [trial["drop"] for trial in report["trials"] if not trial["refused"]]
    chosen = report["chosen"]
    assert chosen["drop"] == min(drops)
    assert chosen["low"] < chosen["high"]
    assert all("float_nodes" in trial["options"] for trial in report["trials"][1:])
    runs = {
        "fp32": zoo("eval", *MODEL, "--json", "-").json,
        "tuned": zoo("eval", *start, "--json", "-").json,
        "plain": zoo("eval", *start, "--tuned", "none", "--json", "-").json,
    }
    figures = {name: ap_of(Path(run["output"])) for name, run in runs.items()}
    assert figures["fp32"] == pytest.approx(report["reference"], abs=5e-4)
    assert figures["tuned"] == pytest.approx(chosen["value"], abs=5e-4)
    assert figures["plain"] == pytest.approx(report["trials"][0]["value"], abs=5e-4)
    protocol = runs["plain"]["protocol"]["name"]
    again = zoo("rescore", runs["plain"]["output"], "--protocol", protocol, "--json", "-").json
    assert again["metrics"] == runs["plain"]["metrics"]  # whatever was tuned since
    if report["file"]:
        manifest = json.loads((Path(runs["tuned"]["output"]) / "manifest.json").read_text())
        assert manifest["request"]["options"] == {**fixed, **chosen["options"]}
