"""The toy keeps every contract; it is the example, and what the broken plugins are made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo_core.nouns import DataRequest
from zoo_core.registry import load_registry
from zoo_core.testing import (
    BackendContract,
    Box,
    CompilerContract,
    DatasetContract,
    DecoderContract,
    EvaluatorContract,
    ExporterContract,
    GivenWeights,
    PluginContract,
    RuntimeContract,
    toy,
)
from zoo_core.testing.toy_stages import draw_images

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo_core.nouns import Arrays

TOY_FILES = toy.Path(toy.__file__).parent


class TestPlugin(PluginContract):
    plugin, distribution = toy, None


class TestRandomExport(ExporterContract):
    plugin, name = toy, "toy"
    params = {"stride": 4}


class TestGivenExport(ExporterContract):
    plugin, name = toy, "toy"
    params = {"stride": 8}

    def weights(self, folder: Path) -> GivenWeights:
        path = folder / "weights.toy"
        path.write_bytes((TOY_FILES / "weights.toy").read_bytes())
        return GivenWeights(kind="given", format="toy", files={"weights": path})


class TestCompiler(CompilerContract):
    plugin, name = toy, "toy"


class TestRuntime(RuntimeContract):
    plugin, name = toy, "toy"


class TestBackend(BackendContract):
    plugin, name = toy, "toy"


class TestDecoder(DecoderContract):
    plugin, name = toy, "toy-grid"
    params = {"stride": 4}
    size = (32, 32)
    classes = 2

    def boxes(self) -> Sequence[Box]:
        return Box(xyxy=(8, 4, 12, 8)), Box(xyxy=(28, 28, 32, 32), label=1, score=0.8)

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        scores = np.full((2, 8, 8), 0.001, np.float32)
        for box in boxes:
            left, top, _, _ = box.xyxy
            scores[box.label, int(top) // 4, int(left) // 4] = box.score
        return {"scores": scores}


class TestShipped(DatasetContract):
    plugin, name = toy, "toy-shapes"


class TestDrawn(DatasetContract):
    plugin, name = toy, "toy-drawn"


class TestCalibration(DatasetContract):
    plugin, name = toy, "toy-shapes"
    purpose = "calibrate"


class TestGivenImages(DatasetContract):
    plugin, name = toy, "toy-shapes"

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        images = folder / "images"
        if not images.exists():
            draw_images(images, 3)
        return DataRequest(purpose="evaluate", images=images, limit=limit)


class TestEvaluator(EvaluatorContract):
    plugin, name = toy, "toy-detection"
    values = {"conf": 0.25}
    metric = "AP50"

    def write_truth(self, folder: Path) -> Path:
        rows = [
            {
                "id": sample.id,
                "name": sample.name,
                "size": list(sample.size or ()),
                "objects": [
                    {"label": self.labels[label], "box": box}
                    for box, label in zip(
                        found.boxes.tolist(), found.labels.tolist(), strict=True
                    )
                ],
            }
            for sample, found in zip(self.samples(), self.detections(), strict=True)
        ]
        path = folder / "truth.json"
        path.write_text(json.dumps(rows))
        return path


def test_the_shipped_images_are_those_that_seed_0_draws(tmp_path: Path) -> None:
    from zoo_core.vision import read_rgb

    draw_images(tmp_path / "drawn", 0)
    for path in sorted((TOY_FILES / "toy_shapes").iterdir()):
        drawn = tmp_path / "drawn" / path.name
        if path.suffix == ".json":
            assert path.read_text() == drawn.read_text()
        else:
            assert np.array_equal(read_rgb(path), read_rgb(drawn))


def test_its_card_is_whole() -> None:
    card = load_registry([TOY_FILES / "toy.yaml"]).model("toy-detector")
    assert card.weights[0].files["weights"].size == (TOY_FILES / "weights.toy").stat().st_size == 20


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_it_finds_every_square(zoo: object, precision: str) -> None:
    assert zoo, precision
