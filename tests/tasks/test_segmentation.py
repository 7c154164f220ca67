"""Semantic segmentation as a sketch: it keeps the contracts, and runs through the real planner."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import jsonschema
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zoo_core
from zoo_core.testing import TaskDecoderContract, TaskEvaluatorContract
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Arrays
    from zoo_core.testing.fixtures import Outcome, Zoo

SKETCH = Path(__file__).parent / "sketch"
PLUGINS = ("zoo_core.testing.toy", "zoo_onnx", "zoo_coco", "segmentation_plugin")
CARD = ("sketch-segmenter", "--backend", "toy")
COLOURS = np.array([(20, 20, 20), (230, 20, 20), (20, 20, 230)], np.uint8)


def network(path: Path) -> Path:
    """Mean of 4 x 4 pixels, then a 1 x 1 convolution: something, red, blue."""
    weight = np.array([[0, 0, 0], [8, 0, -8], [-8, 0, 8]], np.float32)[:, :, None, None]
    bias = np.array([2, 0, 0], np.float32)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["cells", "weight", "bias"], ["logits"], "conv"),
    ]
    graph = helper.make_graph(
        nodes,
        "segmenter",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 32, 48])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3, 8, 12])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


class Sketched:
    @pytest.fixture(autouse=True)
    def _sketch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(SKETCH)
        self.plugin = importlib.import_module("segmentation_plugin")


class TestMapDecoder(Sketched, TaskDecoderContract):
    name, task = "sketch-map", "segmentation"
    size = (32, 48)

    def outputs(self) -> Sequence[Arrays]:
        random = np.random.default_rng(0)
        return [{"logits": random.normal(0, 4, (3, 8, 12)).astype(np.float32)} for _ in range(3)]


class TestMeanIou(Sketched, TaskEvaluatorContract):
    """A map of the background finds nothing, and is right where there is background."""

    name, task, metric = "sketch-miou", "segmentation", "mIoU"
    labels, size = ("background", "red", "blue"), (24, 32)
    worst = None

    def write_truth(self, folder: Path) -> Path:
        masks = folder / "masks"
        masks.mkdir(exist_ok=True)
        for sample, found in zip(self.samples(), self.perfect(), strict=True):
            cv2.imwrite(str(masks / sample.name), found["labels"])
        return masks

    def perfect(self) -> Sequence[Arrays]:
        maps = np.zeros((3, *self.size), np.uint8)
        maps[0, :8], maps[1, 8:16], maps[2, 16:] = 1, 2, 1
        return [{"labels": one} for one in maps]

    def nothing(self) -> Sequence[Arrays]:
        return [{"labels": np.zeros(self.size, np.uint8)} for _ in range(3)]


@pytest.fixture
def commands(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    for name in ("zoo_onnx", "zoo_coco"):
        pytest.importorskip(name)
    monkeypatch.syspath_prepend(SKETCH)
    monkeypatch.setenv("ZOO_PLUGINS", ",".join(PLUGINS))
    return zoo


@pytest.fixture
def given(tmp_path: Path) -> list[str | Path]:
    """Two images with masks: one that fits the network, a tall one that is letterboxed."""
    for name, height, width in (("fits", 64, 96), ("tall", 64, 48)):
        mask = np.zeros((height, width), np.uint8)
        mask[8:32, 16:40] = 1
        mask[40:56, 0:24] = 2
        for folder in ("images", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
        write_image(tmp_path / "images" / f"{name}.png", COLOURS[mask])
        cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), mask)
    weights = network(tmp_path / "tiny.onnx")
    return [
        "--weights",
        weights,
        "--images",
        tmp_path / "images",
        "--annotations",
        tmp_path / "masks",
    ]


def report(done: Outcome) -> dict[str, Any]:
    assert done.code == 0, done.stderr
    found: dict[str, Any] = done.json
    name = found["schema"].removeprefix("zoo.").partition("/")[0]
    schema = Path(zoo_core.__file__).parent / "schemas" / f"{name}.json"
    jsonschema.validate(found, json.loads(schema.read_text()))
    return found


def test_a_run_scores_maps(commands: Zoo, given: list[str | Path], tmp_path: Path) -> None:
    found = report(commands("run", *CARD, *given, "--no-bench", "-o", "out", "--json", "-"))

    assert found["task"] == "segmentation"
    assert found["metrics"] == {"mIoU": 1.0}
    assert found["per_class"]["red"] == {"IoU": 1.0}
    mask = cv2.imread(str(tmp_path / "out" / "masks" / "tall.png"), cv2.IMREAD_GRAYSCALE)
    truth = cv2.imread(str(tmp_path / "masks" / "tall.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(mask, truth)
    page = (tmp_path / "out" / "report.md").read_text()
    assert "mIoU = 1.0" in page
    assert not [word for word in ("bbox", "AP50", "detection", "boxes") if word in page]


def test_a_wrong_mask_scores_less(commands: Zoo, given: list[str | Path], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "masks" / "tall.png"), np.zeros((64, 48), np.uint8))
    found = report(commands("run", *CARD, *given, "--no-bench", "--json", "-"))

    assert found["metrics"]["mIoU"] == pytest.approx((7296 / 8256 + 0.5 + 0.5) / 3)


def test_gates_and_speed_are_as_for_any_task(
    commands: Zoo, given: list[str | Path], tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "masks" / "tall.png"), np.zeros((64, 48), np.uint8))
    missed = commands("run", *CARD, *given, "--no-bench", "--min-metric", "mIoU=0.9")
    unknown = commands("run", *CARD, *given, "--no-bench", "--min-metric", "AP=0.4")

    assert missed.code == 3
    assert unknown.code == 2
    assert "did you mean 'mIoU'" in unknown.stderr or "known: mIoU" in unknown.stderr


def test_predict_counts_nothing_that_cannot_be_counted(
    commands: Zoo, given: list[str | Path], tmp_path: Path
) -> None:
    arguments = ("predict", *CARD, tmp_path / "images", *given[:2], "-o", "seen", "--json", "-")
    found = report(commands(*arguments))

    assert [row["found"] for row in found["images"]] == [None, None]
    assert found["lines"] == [row["picture"] for row in found["images"]]
    assert len(list((tmp_path / "seen" / "pictures").glob("*.jpg"))) == 2


def test_the_sketch_is_small() -> None:
    """Decoder and evaluator together, imports and all."""
    lines = (SKETCH / "segmentation.py").read_text().count("\n")
    assert lines <= 80
