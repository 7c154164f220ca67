"""Predictions to look at: the values they are made with, and their JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest

import zoo_core
from zoo_core.commands.predict import detections
from zoo_core.testing.toy_parts import ToyEvaluator

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

SCHEMA = json.loads((Path(zoo_core.__file__).parent / "schemas" / "predict.json").read_text())
TOY = ("predict", "toy-detector", "--backend", "toy", "--json", "-")


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")


@pytest.fixture
def viewing(toys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"conf": 0.995}
    monkeypatch.setattr(ToyEvaluator, "viewing", values, raising=False)


def scores(done: Any) -> list[float]:
    jsonschema.validate(done.json, SCHEMA)
    return [score for row in done.json["images"] for score in row["scores"]]


@pytest.mark.usefixtures("viewing")
def test_an_evaluator_s_values_for_viewing_replace_those_of_the_card(zoo: Zoo) -> None:
    done = zoo(*TOY)
    assert done.code == 0, done.stderr
    assert "conf=0.995" in done.json["protocol"]["name"]
    assert done.json["show_conf"] == 0.995
    assert scores(done) == []


@pytest.mark.usefixtures("viewing")
def test_an_option_and_a_named_protocol_go_first(zoo: Zoo) -> None:
    loose = zoo(*TOY, "--conf", "0.2")
    assert loose.json["show_conf"] == 0.2
    assert 0.2 < min(scores(loose)) < 0.995
    name = zoo("eval", "toy-detector", "--backend", "toy", "--json", "-").json["protocol"]
    named = zoo(*TOY, "--protocol", name["name"])
    assert named.json["protocol"] == {"name": name["name"], "hash": name["hash"]}
    assert named.json["show_conf"] == name["values"]["conf"]


@pytest.mark.usefixtures("toys")
def test_rows_hold_what_is_written_the_best_first(zoo: Zoo, tmp_path: Path) -> None:
    done = zoo(*TOY, "-o", "out")
    jsonschema.validate(done.json, SCHEMA)
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written == done.json
    assert len(done.json["images"]) > 1
    for row in done.json["images"]:
        assert Path(row["image"]).is_file()
        lines = (tmp_path / "out" / "txt" / f"{Path(row['image']).stem}.txt").read_text()
        found = [line.rsplit(" ", 5) for line in lines.splitlines()]
        assert row["labels"] == [line[0] for line in found]
        assert row["scores"] == pytest.approx([float(line[1]) for line in found], abs=1e-4)
        for box, line in zip(row["boxes"], found, strict=True):
            assert box == pytest.approx([float(value) for value in line[2:]], abs=0.01)
        assert row["scores"] == sorted(row["scores"], reverse=True)
        assert row["found"] == len(row["boxes"])


@pytest.mark.slow
@pytest.mark.skipif("ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is not set")
def test_a_real_photo_has_the_boxes_that_are_known(zoo: Zoo) -> None:
    """The figures of the folder's README: bilinear stretch at 320, conf .25, NMS .45."""
    root = Path(os.environ["ZOO_TEST_DATA"])
    net = root / "yolo-fastest-1.1-xl" / "yolo-fastest-1.1-xl"
    asked = ("predict", "yolo-fastest-1.1-xl-darknet", str(root / "photos" / "dog.jpg"))
    options = ("--weights", f"{net}.weights", "--cfg", f"{net}.cfg", "--resize", "stretch")
    known = [
        ("dog", 0.958, [114, 188, 386, 536]),
        ("bicycle", 0.894, [113, 127, 573, 497]),
        ("car", 0.841, [450, 78, 685, 162]),
        ("truck", 0.437, [451, 80, 676, 163]),
    ]
    every = zoo(*asked, *options, "--box-labels", "multi", "--json", "-").json["images"][0]
    best = zoo(*asked, *options, "--json", "-").json["images"][0]
    for row, count in ((every, 4), (best, 3)):
        for (label, score, box), *found in zip(
            known[:count], row["labels"], row["scores"], row["boxes"], strict=False
        ):
            assert found[0] == label
            assert found[1] == pytest.approx(score, abs=0.002)
            assert found[2] == pytest.approx(box, abs=1)
    assert len(every["labels"]) == 4


def test_detections_are_known_by_their_arrays() -> None:
    """Whatever else an evaluator keeps of an image."""
    arrays = {
        "boxes": np.array([[1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 1, 1]], np.float32),
        "scores": np.array([0.3, 0.9, 0.1], np.float32),
        "labels": np.array([1, 0, 7], np.int32),
        "dropped": np.array([3]),
    }
    found = detections(arrays, ["a", "b"], 0.05)
    assert found is not None
    assert found[0]["boxes"].tolist() == [[5, 6, 7, 8], [1, 2, 3, 4], [0, 0, 1, 1]]
    assert found[1] == ("a", "b", "class 7")
    assert detections({"labels": arrays["labels"], "scores": arrays["scores"]}, ["a"], 0) is None
