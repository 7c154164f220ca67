"""The plugin, its data sets, decoder and evaluator keep zoo's contracts."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_segmentation
from zoo_segmentation.masks import write_mask
from zoo_segmentation.png_masks import mask_name

from zoo_core.api import DataPlan, DataRequest, DataView
from zoo_core.plugins.manager import Plugins
from zoo_core.testing import (
    DatasetContract,
    PluginContract,
    TaskDecoderContract,
    TaskEvaluatorContract,
    run_stages,
)
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo_core.api import Arrays

TASK = "semantic-segmentation"


class TestPlugin(PluginContract):
    plugin = zoo_segmentation


class TestScores(TaskDecoderContract):
    plugin, name, task = zoo_segmentation, "class-map", TASK
    classes, size = 3, (32, 48)

    def outputs(self) -> Sequence[Arrays]:
        random = np.random.default_rng(0)
        return [{"out": random.normal(0, 4, (3, 8, 12)).astype(np.float32)} for _ in range(3)]


class TestScoresByName(TestScores):
    """One of two outputs of one shape, as torchvision's networks give them."""

    params = MappingProxyType({"output": "out"})

    def outputs(self) -> Sequence[Arrays]:
        return [{"aux": np.ones((3, 8, 12), np.float32), **row} for row in super().outputs()]


class TestMeanIou(TaskEvaluatorContract):
    """A map of the background finds nothing, and is right where there is background."""

    plugin, name, task, metric = zoo_segmentation, "miou", TASK, "mIoU"
    values = MappingProxyType[str, Any]({"ignore": 255, "first": 0})
    labels, size = ("background", "red", "blue"), (24, 32)
    worst = None

    def write_truth(self, folder: Path) -> Path:
        for sample, found in zip(self.samples(), self.perfect(), strict=True):
            write_mask(folder / "masks" / mask_name(sample.name), found["classes"])
        return folder / "masks"

    def perfect(self) -> Sequence[Arrays]:
        maps = np.zeros((3, *self.size), np.uint8)
        maps[0, :8], maps[1, 8:16], maps[2, 16:] = 1, 2, 1
        return [self._settled(one) for one in maps]

    def nothing(self) -> Sequence[Arrays]:
        return [self._settled(np.zeros(self.size, np.uint8)) for _ in range(3)]

    @staticmethod
    def _settled(classes: Any) -> Arrays:
        return {"classes": classes, "rule": np.array([255, 0])}


class TestPngMasks(DatasetContract):
    plugin, name = zoo_segmentation, "png-masks"

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        for number, name in enumerate(("a.jpg", "b.png", "c/d.bmp", "e.png")):
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() and not path.with_name(f"{path.name}.aside").exists():
                write_image(path, np.full((8, 9, 3), number, np.uint8))
            write_mask(folder / "masks" / mask_name(name), np.full((8, 9), number, np.uint8))
        masks = folder / "masks" if self.purpose == "evaluate" else None
        return DataRequest(
            purpose=self.purpose, images=folder / "images", annotations=masks, limit=limit
        )


class TestSampleMasks(DatasetContract):
    plugin, name = zoo_segmentation, "sample-masks"

    @pytest.fixture(autouse=True)
    def _scenes(self) -> None:
        sample = pytest.importorskip("zoo_sample")
        self.both = Plugins([zoo_segmentation, sample])

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        """The lookup must be one that can go to another process."""
        others = {"sample-scenes": self.both.dataset("sample-scenes")}
        return DataRequest(purpose=self.purpose, limit=limit, others=others.__getitem__)

    def opened(self, plan: DataPlan, folder: Path) -> DataView:
        done = run_stages(plan.stages, folder.parent / "scenes", self.both)
        parts = {name: place.partition("/") for name, place in plan.inputs.items()}
        paths = {name: done[stage] / file for name, (stage, _, file) in parts.items()}
        return DataView(paths=paths, params=plan.params)
