"""The plugin, its data sets, decoders and evaluator keep zoo's contracts."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_classification

from zoo_core.api import DataPlan, DataRequest, DataView, Sample
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

    from zoo_core.api import Arrays


class TestPlugin(PluginContract):
    plugin = zoo_classification


class TestLogits(TaskDecoderContract):
    plugin, name, task = zoo_classification, "logits", "classification"
    classes = 4

    def outputs(self) -> Sequence[Arrays]:
        rows = np.array([[0, 9, -3, 2], [5, 5, 5, 5], [-80, 80, 0, 1]], np.float32)
        return [{"logits": row} for row in rows]


class TestLogitsByName(TestLogits):
    """One of two outputs; the other is a map."""

    params = MappingProxyType({"output": "logits"})

    def outputs(self) -> Sequence[Arrays]:
        features = np.ones((8, 2, 2), np.float32)
        return [{"features": features, **row} for row in super().outputs()]


class TestSoftmax(TaskDecoderContract):
    plugin, name, task = zoo_classification, "softmax", "classification"
    classes = 3

    def outputs(self) -> Sequence[Arrays]:
        rows = np.array([[0.5, 0.25, 0.25], [1, 0, 0], [0.1, 0.2, 0.7]], np.float32)
        return [{"scores": row} for row in rows]


class TestTopK(TaskEvaluatorContract):
    plugin, name, task = zoo_classification, "topk", "classification"
    metric = "top1"
    values = MappingProxyType[str, Any]({"keep": 5})
    labels = ("apple", "kite", "clock", "donut", "pizza", "bottle", "orange")

    def samples(self) -> list[Sample]:
        names = [f"{label}/a.png" for label in self.labels[:3]]
        return [Sample(id=name, name=name, path=Path(name), size=self.size) for name in names]

    def write_truth(self, folder: Path) -> Path:
        path = folder / "classes.txt"
        path.write_text("".join(f"{label}\n" for label in self.labels), encoding="utf-8")
        return path

    def perfect(self) -> Sequence[Arrays]:
        return [self._best(label) for label in range(3)]

    def nothing(self) -> Sequence[Arrays]:
        """A classifier always names five; these are those that no image shows."""
        return [self._best(label) for label in (3, 4, 5)]

    def candidates(self) -> Sequence[Arrays]:
        eye = np.eye(len(self.labels), dtype=np.float32)
        return [{"scores": 0.3 * eye[label] + np.float32(0.1)} for label in range(3)]

    def _best(self, label: int) -> Arrays:
        others = [at for at in range(len(self.labels)) if at != label][:4]
        scores = np.array([0.8, 0.05, 0.04, 0.03, 0.02], np.float32)
        return {"labels": np.array([label, *others], np.int32), "scores": scores}


class TestTopFive(TestTopK):
    """Of seven classes, five wrong ones are named."""

    metric = "top5"

    def nothing(self) -> Sequence[Arrays]:
        scores = np.linspace(0.9, 0.5, 4, dtype=np.float32)
        return [{"labels": np.arange(3, 7, dtype=np.int32), "scores": scores} for _ in range(3)]

    def wrong(self) -> dict[str, Sequence[Arrays]]:
        return {"classes": self.nothing()}


class TestImagenetFolder(DatasetContract):
    plugin, name = zoo_classification, "imagenet-folder"

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        for label, count in (("n01", 3), ("n02", 1), ("n03", 2)):
            for number in range(count):
                path = folder / "val" / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.exists() and not path.with_name(f"{path.name}.aside").exists():
                    write_image(path, np.full((8, 9, 3), number, np.uint8))
        return DataRequest(purpose=self.purpose, images=folder / "val", limit=limit)


class TestSampleCrops(DatasetContract):
    plugin, name = zoo_classification, "sample-crops"

    @pytest.fixture(autouse=True)
    def _scenes(self) -> None:
        sample = pytest.importorskip("zoo_sample")
        self.both = Plugins([zoo_classification, sample])

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        """The lookup must be one that can go to another process."""
        others = {"sample-scenes": self.both.dataset("sample-scenes")}
        return DataRequest(purpose=self.purpose, limit=limit, others=others.__getitem__)

    def opened(self, plan: DataPlan, folder: Path) -> DataView:
        done = run_stages(plan.stages, folder.parent / "crops", self.both)
        parts = {name: place.partition("/") for name, place in plan.inputs.items()}
        paths = {name: done[stage] / file for name, (stage, _, file) in parts.items()}
        return DataView(paths=paths, params=plan.params)
