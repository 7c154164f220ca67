"""`zoo explain --layers` and `--parts`: what they refuse, and the documents they print."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import zoo_core
from zoo_core.errors import UsageError
from zoo_core.reporting.int8 import LayersReport, PartsReport

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

SCHEMAS = Path(zoo_core.__file__).parent / "schemas"
DATA = Path(os.environ.get("ZOO_TEST_DATA", "/nonexistent"))
TOY = ("run", "toy-detector", "--backend", "toy", "--assets", "sample", "--no-bench")


def valid(document: Any, schema: str) -> dict[str, Any]:
    jsonschema.validate(document, json.loads((SCHEMAS / f"{schema}.json").read_text()))
    return dict(document)


@pytest.fixture
def toy(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    """The toy alone, with a run in int8 in the folder b."""
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    assert zoo(*TOY, "--precision", "int8", "--output", "b").code == 0
    return zoo


def test_a_backend_that_compares_no_layers_says_so(toy: Zoo) -> None:
    done = toy("explain", "b", "--layers")
    assert done.code == 2
    assert "backend 'toy' does not compare layers; install one that does" in done.stderr


def test_predictions_without_parts_say_so(toy: Zoo) -> None:
    done = toy("explain", "b", "--parts")
    assert done.code == 2
    assert "cannot be split into boxes, scores and classes" in done.stderr


def test_a_run_in_float_lost_nothing(toy: Zoo) -> None:
    assert toy(*TOY, "--output", "a").code == 0
    done = toy("explain", "a", "--parts")
    assert done.code == 2
    assert "the run is fp32: there is no loss to split" in done.stderr


@pytest.mark.parametrize(
    "options",
    [("--layers", "--parts"), ("--layers", "--against", "x"), ("--parts", "--against", "x")],
)
def test_one_explanation_at_a_time(zoo: Zoo, options: tuple[str, ...]) -> None:
    done = zoo("explain", "b", *options)
    assert done.code == 2
    assert "exclude each other" in done.stderr


def test_the_python_api_refuses_alike(toy: Zoo) -> None:
    with pytest.raises(UsageError, match="does not compare layers"):
        zoo_core.explain("b", layers=True)
    with pytest.raises(UsageError, match="cannot be split"):
        zoo_core.explain("b", parts=True)
    with pytest.raises(UsageError, match="exclude each other"):
        zoo_core.explain("b", layers=True, parts=True)


def test_no_images_are_no_count(toy: Zoo) -> None:
    done = toy("explain", "b", "--layers", "--layer-images", "0")
    assert done.code == 2
    assert "--layer-images" in done.stderr


@pytest.mark.parametrize("option", ["--layers", "--parts"])
def test_a_run_that_is_not_there(zoo: Zoo, option: str) -> None:
    done = zoo("explain", "nowhere", option)
    assert done.code == 6
    assert "no such run" in done.stderr


def row(tensor: str, snr: float | None, own: float | None, node: str = "n") -> dict[str, Any]:
    return {
        "tensor": tensor, "node": node, "operator": "Conv", "module": None, "precision": "int8",
        "snr_db": snr, "cosine": 1.0, "own_snr_db": own, "own_cosine": None,
    }  # fmt: skip


def test_the_lines_of_layers_name_the_worst_and_the_culprits() -> None:
    rows = [row(str(n), float(n), 50.0 - n, f"node{n}") for n in range(30)]
    rows.append(row("input", None, 1.0, ""))
    report = LayersReport(run="r", images=2, reference="the float graph", layers=rows)
    valid(report.to_data(), "layers")
    lines = report.lines()
    assert lines[0] == "31 tensors of 2 images, against the float graph"
    assert "and 11 better ones (--json has all)" in lines
    culprits = lines[lines.index("lose most by themselves, given float tensors:") + 1 :]
    assert [line.split()[-1] for line in culprits] == [f"node{n}" for n in (29, 28, 27, 26, 25)]


def change(difference: float, half: float | None = None) -> dict[str, float | None]:
    low, high = (None, None) if half is None else (difference - half, difference + half)
    return {"difference": difference, "low": low, "high": high}


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        (
            {"values": [0.4, 0.38], "total": change(-0.02, 0.01), "boxes": change(-0.005, 0.002),
             "rest": change(-0.015, 0.01)},
            "int8 loses 2.00 +- 1.00 AP: by boxes -0.50 +- 0.20, rest -1.50 +- 1.00",
        ),
        (
            {"values": [0.4, 0.41], "total": change(0.01), "boxes": change(0.01),
             "rest": change(0.0)},
            "int8 gains 1.00 AP: by boxes +1.00, rest +0.00",
        ),
        (
            {"values": [0.4, 0.4], "total": change(0.0), "boxes": change(0.0),
             "rest": change(0.0)},
            "AP does not differ: 0.4000",
        ),
        ({"values": [0.4, None]}, "AP is not defined in each run"),
    ],
)  # fmt: skip
def test_the_sentence_of_parts(metrics: dict[str, Any], sentence: str) -> None:
    report = PartsReport(
        run="r", precision="int8", images=9, rows=70, lacking={"boxes": 7},
        metrics=[{"metric": "AP", **metrics}],
    )  # fmt: skip
    assert valid(report.to_data(), "parts")["sentence"] == sentence
    assert report.lines()[-1] == sentence
    assert any(line.endswith("stored 70) keep their own: boxes 7") for line in report.lines())


@pytest.mark.slow
@pytest.mark.skipif(
    "ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is unset: no real images here"
)
def test_a_real_network_shows_its_depthwise_layers(zoo: Zoo, tmp_path: Path) -> None:
    """Those of yolo-fastest are known to lose most; the parts add up to the loss of the runs."""
    weights = DATA / "yolo-fastest-1.1-xl" / "yolo-fastest-1.1-xl.weights"
    images = DATA / "coco-val2017-128"
    for precision in ("fp32", "int8"):
        more = (
            ("--calibration", DATA / "coco-train2017-64" / "images") if precision == "int8" else ()
        )
        done = zoo(
            "eval", "yolo-fastest-1.1-xl-darknet", "--weights", weights,
            "--images", images / "images", "--annotations", images / "instances.json",
            "--limit", "32", "--precision", precision, "--output", precision, *more,
        )  # fmt: skip
        assert done.code == 0, done.stderr
    figures = [
        json.loads((tmp_path / name / "report.json").read_text())["metrics"]["AP"]
        for name in ("fp32", "int8")
    ]
    done = zoo("explain", "int8", "--parts", "--json")
    parts = valid(done.json, "parts")["metrics"][0]
    assert parts["values"] == figures
    total = parts["total"]["difference"]
    others = sum(parts[name]["difference"] for name in ("boxes", "scores", "classes", "rest"))
    assert others == pytest.approx(total, abs=1e-12)
    layers = valid(zoo("explain", "int8", "--layers", "--json").json, "layers")["layers"]
    own = [each for each in layers if each["operator"] == "Conv" and each["own_snr_db"]]
    assert len(own) == 82
    worst = min(own, key=lambda each: each["own_snr_db"])
    assert worst["module"] == f"layers.{worst['node'].split('/')[1].removeprefix('layers.')}.body.0"
    assert worst["own_snr_db"] < 15 < max(each["own_snr_db"] for each in own)
