"""The toy's runtime, decoder and evaluator."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Metrics, TensorSpec
from zoo_core.errors import DataError, StageError, UnavailableError, UsageError, check_known
from zoo_core.toolkit.detection.detections import Candidates, Detections
from zoo_core.toolkit.detection_txt import TextDetection, text_names, write_detections
from zoo_core.vision.geometry import iou

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode, Predictions, Session, Target
    from zoo_core.vision.geometry import Geometry

_GREEN = (0, 255, 0)


class ToyRuntime:
    """Opens what the toy's compiler made."""

    @contextmanager
    def open(self, artefact: Path, target: Target, hint: str = "latency") -> Iterator[Session]:
        """Raises UnavailableError for a device that is not here, StageError for no artefact."""
        from google.protobuf.message import DecodeError
        from onnx.reference import ReferenceEvaluator

        if target.device != "cpu":
            raise UnavailableError(f"no device '{target.device}'", next="use --device cpu")
        try:
            facts = json.loads((artefact / "artefact.json").read_text(encoding="utf-8"))
            model = ReferenceEvaluator(str(artefact / facts["model"]))
        except (OSError, ValueError, KeyError, DecodeError) as error:
            raise StageError(f"is no artefact of the toy: {error}", where=str(artefact)) from error
        yield ToySession(model, facts)


class ToySession:
    """One network, ready to run."""

    threads: int | None = 1
    workers = 1
    input_kind = "tensor"

    def __init__(self, model: Any, facts: Mapping[str, Any]) -> None:
        """`facts` are the artefact's."""
        self._model = model
        self.inputs = tuple(TensorSpec.from_data(row) for row in facts["inputs"])
        self.outputs = tuple(TensorSpec.from_data(row) for row in facts["outputs"])

    def run(self, feeds: Arrays) -> Arrays:
        """Raises StageError for a feed that does not fit."""
        for spec in self.inputs:
            shape = feeds[spec.name].shape if spec.name in feeds else None
            if shape is None or shape[1:] != spec.shape[1:]:
                raise StageError(f"input '{spec.name}' is {shape}, not {spec.shape}")
        found = self._model.run(None, dict(feeds))
        return {
            spec.name: np.ascontiguousarray(array)
            for spec, array in zip(self.outputs, found, strict=True)
        }


class ToyDecoder:
    """One box per cell of the grid, the cell itself."""

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """Takes `stride`, the cell's side in network pixels."""
        check_known(params, ("stride",), "decoder_params")
        stride = params.get("stride", 4)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            scores = outputs["scores"]
            if scores.shape[0] != classes:
                raise StageError(f"{scores.shape[0]} classes in the output, {classes} labels")
            rows, columns = np.indices(scores.shape[1:]).reshape(2, -1)
            corners = np.stack([columns, rows, columns + 1, rows + 1], axis=1) * stride
            boxes = geometry.to_image(corners)
            table = scores.reshape(classes, -1).T
            return Candidates.from_dense(boxes, table, floor, geometry.source).to_arrays()

        return decode


class ToyEvaluator:
    """Average precision at IoU .5; its one protocol field is `conf`."""

    task = "detection"
    versions: tuple[str, ...] = ("numpy",)

    def check(self, values: Mapping[str, Any]) -> None:
        """`conf` is a number from 0 to 1."""
        check_known(values, ("conf",), "protocol")
        conf = values.get("conf", 0.25)
        if not isinstance(conf, int | float) or not 0 <= conf <= 1:
            raise UsageError(f"conf must be from 0 to 1, is {conf!r}", where="protocol")

    def floor(self, values: Mapping[str, Any]) -> float:
        """`conf` itself."""
        return float(values.get("conf", 0.25))

    def postprocess(self, candidates: Arrays, values: Mapping[str, Any]) -> Arrays:
        """What scores above `conf`, best first."""
        found = Candidates.from_arrays(candidates)
        order = np.argsort(-found.score, kind="stable")
        kept = order[found.score[order] > self.floor(values)]
        return Detections(
            found.boxes[found.box[kept]], found.score[kept], found.label[kept]
        ).to_arrays()

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """AP50 over all classes, and per class."""
        known = {row["id"]: row["objects"] for row in json.loads(truth.read_text("utf-8"))}
        ranked: dict[str, list[tuple[float, bool]]] = {label: [] for label in labels}
        totals = dict.fromkeys(labels, 0)
        for prediction in predictions:
            objects = known.get(prediction.sample.id)
            if objects is None:
                raise DataError(f"no truth for image {prediction.sample.id!r}", where=str(truth))
            found = Detections.from_arrays(prediction.arrays)
            for number, label in enumerate(labels):
                boxes = np.array([o["box"] for o in objects if o["label"] == label], np.float32)
                totals[label] += len(boxes)
                own = found.take(found.labels == number)
                ranked[label] += _matched(own, boxes.reshape(-1, 4))
        per_class = {name: {"AP50": _average(ranked[name], totals[name])} for name in labels}
        defined = [row["AP50"] for row in per_class.values() if row["AP50"] is not None]
        mean = sum(defined) / len(defined) if defined else None
        shown = "-" if mean is None else f"{mean:.3f}"
        return Metrics(values={"AP50": mean}, lines=(f"AP50 {shown}",), per_class=per_class)

    def write(
        self,
        predictions: Predictions,
        labels: Sequence[str],
        folder: Path,
        truth: Path | None = None,
    ) -> None:
        """One text per image in `txt`."""
        (folder / "txt").mkdir()
        names = text_names([prediction.sample.name for prediction in predictions])
        for name, prediction in zip(names, predictions, strict=True):
            found = Detections.from_arrays(prediction.arrays)
            rows = zip(found.labels, found.scores, found.boxes.tolist(), strict=True)
            lines = [TextDetection(labels[at], float(s), tuple(box)) for at, s, box in rows]
            write_detections(folder / "txt" / name, lines)

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A frame around each box; `labels` are not shown."""
        drawn = image.copy()
        found = Detections.from_arrays(prediction)
        for x1, y1, x2, y2 in np.round(found.boxes[found.scores > least]).astype(int).tolist():
            part = drawn[max(y1, 0) : y2, max(x1, 0) : x2]
            inner = part[1:-1, 1:-1].copy()
            part[:] = _GREEN
            part[1:-1, 1:-1] = inner
        return drawn


def _matched(found: Detections, truth: NDArray[np.float32]) -> list[tuple[float, bool]]:
    """Score of each detection and whether it is the best one of a box that is still free."""
    free = np.ones(len(truth), bool)
    rows = []
    for at in np.argsort(-found.scores, kind="stable"):
        overlap = np.where(free, iou(found.boxes[at : at + 1], truth)[0], 0.0)
        hit = bool(len(truth)) and bool(overlap.max() >= 0.5)
        if hit:
            free[overlap.argmax()] = False
        rows.append((float(found.scores[at]), hit))
    return rows


def _average(rows: Sequence[tuple[float, bool]], total: int) -> float | None:
    """Area under the precision-recall curve, precision made monotone; None without truth."""
    if not total:
        return None
    hits = np.array([hit for _, hit in sorted(rows, key=lambda row: -row[0])], bool)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[hits].sum() / total)
