"""How the toy's own tests fill in the contracts: an example, and the base of broken variants."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import DataRequest
from zoo_core.testing import toy
from zoo_core.testing.contracts.backend import BackendContract
from zoo_core.testing.contracts.compiler import CompilerContract
from zoo_core.testing.contracts.dataset import DatasetContract
from zoo_core.testing.contracts.decoder import DecoderContract, TaskDecoderContract
from zoo_core.testing.contracts.evaluator import EvaluatorContract, TaskEvaluatorContract
from zoo_core.testing.contracts.exporter import ExporterContract
from zoo_core.testing.contracts.offline_builder import OfflineBuilderContract
from zoo_core.testing.contracts.plugin import PluginContract
from zoo_core.testing.contracts.profiler import ProfilerContract
from zoo_core.testing.contracts.runtime import RuntimeContract
from zoo_core.testing.examples import Box, ExportWeights
from zoo_core.testing.toy_parts import draw_images
from zoo_core.toolkit.detection.detections import Candidates, Detections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Arrays, Sample

_STRIDE = MappingProxyType({"stride": 4})
_SQUARES = ((4, 6, 54, 56), (70, 10, 110, 50), (90, 60, 140, 110))


class ToyPlugin(PluginContract):
    """It is a module of the core, so no distribution of its own."""

    plugin, distribution = toy, None


class ToyExporter(ExporterContract):
    """With random weights, which need no file."""

    plugin, name, params = toy, "toy", _STRIDE


class ToyGivenExporter(ToyExporter):
    """With the 20 bytes that come with the toy."""

    def weights(self, folder: Path) -> ExportWeights:
        """A copy, which tests may spoil."""
        path = folder / "weights.toy"
        path.write_bytes((Path(str(toy.__file__)).parent / "weights.toy").read_bytes())
        return ExportWeights(kind="given", format="toy", files={"weights": path})


class ToyCompiler(CompilerContract):
    """Nothing to add."""

    plugin, name = toy, "toy"


class ToyRuntime(RuntimeContract):
    """Its session holds a network."""

    plugin, name = toy, "toy"

    def model(self, session: Any) -> Any:
        """ONNX's evaluator."""
        return getattr(session, "inner", session).network


class ToyOfflineBuilder(OfflineBuilderContract):
    """Nothing to add."""

    plugin, name = toy, "toy"


class ToyProfiler(ProfilerContract):
    """Nothing to add."""

    plugin, name = toy, "toy"


class ToyBackend(BackendContract):
    """Nothing to add."""

    plugin, name = toy, "toy"


class ToyDecoder(DecoderContract):
    """Its boxes are cells of the grid."""

    plugin, name, params = toy, "toy-grid", _STRIDE
    size, classes = (32, 32), 2

    def boxes(self) -> Sequence[Box]:
        """Two cells."""
        return Box(xyxy=(8, 4, 12, 8)), Box(xyxy=(28, 28, 32, 32), label=1, score=0.8)

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """Their scores in the grid."""
        scores = np.full((2, 8, 8), 0.001, np.float32)
        for box in boxes:
            left, top, _, _ = box.xyxy
            scores[box.label, int(top) // 4, int(left) // 4] = box.score
        return {"scores": scores}


class ToyTaskDecoder(TaskDecoderContract):
    """What holds for any task, said of a grid of noise."""

    plugin, name, task, params = toy, "toy-grid", "detection", _STRIDE
    size, classes = (32, 32), 2

    def outputs(self) -> Sequence[Arrays]:
        """Three grids."""
        random = np.random.default_rng(0)
        return [{"scores": random.random((2, 8, 8), np.float32)} for _ in range(3)]


class ToyShipped(DatasetContract):
    """The images that lie in the package."""

    plugin, name = toy, "toy-shapes"


class ToyDrawn(DatasetContract):
    """The images that a stage draws."""

    plugin, name = toy, "toy-drawn"


class ToyGiven(DatasetContract):
    """Images of one's own."""

    plugin, name = toy, "toy-shapes"

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        """Four that are drawn beforehand."""
        images = folder / "images"
        if not images.exists():
            draw_images(images, 3)
        return DataRequest(purpose="evaluate", images=images, limit=limit)


class ToyEvaluator(EvaluatorContract):
    """Its truth has a form of its own."""

    plugin, name, metric = toy, "toy-detection", "F1"
    values = MappingProxyType({"conf": 0.25})

    def write_truth(self, folder: Path) -> Path:
        """As `toy_parts.draw_images` writes it."""
        boxes = [
            [(self.labels[n], box) for box, n in zip(one.boxes.tolist(), one.labels, strict=True)]
            for one in self.detections()
        ]
        return _truth(folder, self.samples(), boxes)


class ToyTaskEvaluator(TaskEvaluatorContract):
    """What holds for any task, said of one square in each image."""

    plugin, name, task, metric = toy, "toy-detection", "detection", "F1"
    values = MappingProxyType({"conf": 0.25})

    def write_truth(self, folder: Path) -> Path:
        """As `toy_parts.draw_images` writes it."""
        boxes = [[(self.labels[0], list(box))] for box in _SQUARES]
        return _truth(folder, self.samples(), boxes)

    def perfect(self) -> Sequence[Arrays]:
        """The squares."""
        return [_found(box) for box in _SQUARES]

    def nothing(self) -> Sequence[Arrays]:
        """No square."""
        return [Detections.empty().to_arrays() for _ in _SQUARES]

    def candidates(self) -> Sequence[Arrays]:
        """One for each square."""
        table = np.array([[0.9, 0]], np.float32)
        return [
            Candidates.from_dense(np.array([box], np.float32), table, 0.001, self.size).to_arrays()
            for box in _SQUARES
        ]


def _found(box: tuple[int, int, int, int]) -> Arrays:
    boxes = np.array([box], np.float32)
    return Detections(boxes, np.array([0.9], np.float32), np.zeros(1, np.int32)).to_arrays()


def _truth(
    folder: Path,
    samples: Sequence[Sample],
    objects: Sequence[Sequence[tuple[str, Sequence[float]]]],
) -> Path:
    """Writes truth.json with a label and a box xyxy for each object."""
    rows = [
        {
            "id": sample.id,
            "name": sample.name,
            "size": list(sample.size or ()),
            "objects": [{"label": label, "box": box} for label, box in found],
        }
        for sample, found in zip(samples, objects, strict=True)
    ]
    path = folder / "truth.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path
