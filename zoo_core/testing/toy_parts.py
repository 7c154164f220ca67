"""The toy's runtime, decoder, evaluator and data set."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import DataPlan, Metrics, Sample, Shard, Stage
from zoo_core.errors import DataError, StageError, UnavailableError, UsageError, check_known
from zoo_core.system.file_cache import file_digests
from zoo_core.system.hashing import digest
from zoo_core.toolkit.artefact import checked_feeds, read_artefact
from zoo_core.toolkit.detection.detections import Candidates, Detections
from zoo_core.toolkit.detection.drawing import draw_detections
from zoo_core.toolkit.detection_txt import TextDetection, write_detections
from zoo_core.toolkit.files import text_names
from zoo_core.vision.geometry import iou

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, DataRequest, DataView, Decode, Predictions, Session, Target
    from zoo_core.toolkit.artefact import Artefact
    from zoo_core.vision.geometry import Geometry

_TRUTH_FILE = "truth.json"
_SHIPPED = Path(__file__).parent / "toy_shapes"
_CALIBRATION_SEED = 2
_SHARD = 2


class ToyRuntime:
    """Opens what the toy's compiler leaves."""

    @contextmanager
    def open(self, artefact: Path, target: Target, hint: str = "latency") -> Iterator[Session]:
        """Raises UnavailableError for another device, DataError where there is no artefact."""
        if target.device != "cpu":
            raise UnavailableError(f"no device '{target.device}'", next="use --device cpu")
        session = ToySession(read_artefact(artefact, ("onnx",)))
        try:
            yield session
        finally:
            session.network = None


class ToySession:
    """One network, ready to run."""

    threads: int | None = 1
    workers = 1
    input_kind = "tensor"

    def __init__(self, artefact: Artefact) -> None:
        """Raises StageError for a damaged model."""
        from google.protobuf.message import DecodeError
        from onnx.reference import ReferenceEvaluator

        self.inputs, self.outputs = artefact.inputs, artefact.outputs
        try:
            self.network: Any = ReferenceEvaluator(str(artefact.model))
        except (OSError, DecodeError) as error:
            raise StageError("cannot be read as ONNX", where=str(artefact.model)) from error

    def run(self, feeds: Arrays) -> Arrays:
        """Raises StageError or UsageError for feeds that do not fit, or after closing."""
        if self.network is None:
            raise StageError("the session is closed")
        outputs = self.network.run(None, checked_feeds(self.inputs, feeds))
        names = [spec.name for spec in self.outputs]
        return dict(zip(names, map(np.ascontiguousarray, outputs), strict=True))


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
            table, boxes = scores.reshape(classes, -1).T, geometry.to_image(corners)
            return Candidates.from_dense(boxes, table, floor, geometry.source).to_arrays()

        return decode


class ToyEvaluator:
    """Average precision at IoU .5; its one protocol field is `conf`."""

    task = "detection"
    versions: tuple[str, ...] = ("numpy",)
    postprocess_label = "NMS"

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
        every = Candidates.from_arrays(candidates)
        order = np.argsort(-every.score, kind="stable")
        kept = order[every.score[order] > self.floor(values)]
        boxes, scores, labels = every.boxes[every.box[kept]], every.score[kept], every.label[kept]
        return Detections(boxes, scores, labels).to_arrays()

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """AP50 over all classes, and per class."""
        objects = {row["id"]: row["objects"] for row in _rows(truth)}
        ranked: dict[str, list[tuple[float, bool]]] = {label: [] for label in labels}
        totals = dict.fromkeys(labels, 0)
        for prediction in predictions:
            sample, detections = prediction.sample.id, Detections.from_arrays(prediction.arrays)
            if sample not in objects:
                raise DataError(f"no ground truth for image {sample!r}", where=str(truth))
            for number, label in enumerate(labels):
                boxes = [row["box"] for row in objects[sample] if row["label"] == label]
                totals[label] += len(boxes)
                own = detections.take(detections.labels == number)
                ranked[label] += _matches(own, np.array(boxes, np.float32).reshape(-1, 4))
        per_class = {label: {"AP50": _average(ranked[label], totals[label])} for label in labels}
        defined = [row["AP50"] for row in per_class.values() if row["AP50"] is not None]
        mean = sum(defined) / len(defined) if defined else None
        line = f"AP50 {'-' if mean is None else f'{mean:.3f}'}"
        return Metrics(values={"AP50": mean}, lines=(line,), per_class=per_class)

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
            detections = Detections.from_arrays(prediction.arrays)
            rows = zip(detections.labels, detections.scores, detections.boxes.tolist(), strict=True)
            lines = [TextDetection(labels[at], float(s), tuple(box)) for at, s, box in rows]
            write_detections(folder / "txt" / name, lines)

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """The boxes that score more than `least`."""
        return draw_detections(image, Detections.from_arrays(prediction), labels, least)


class ToyDataset:
    """Images of squares with truth.json: the user's, those of the plugin, or drawn by a stage."""

    task = "detection"

    def __init__(self, name: str, seed: int | None = None) -> None:
        """With a seed the images are drawn; without, they are those of the plugin."""
        self._name, self._seed = name, seed

    def plan(self, request: DataRequest) -> DataPlan:
        """The user's images, images drawn for calibration, or the set's own."""
        seed = _CALIBRATION_SEED if request.purpose == "calibrate" else self._seed
        if request.images is None and seed is not None:
            stage, run = f"draw-{seed}", "zoo_core.testing.toy_stages:draw"
            draw = Stage(name=stage, run=run, params={"seed": seed}, outputs=("images",))
            contents = [f"{stage}/{number}" for number in range(4)]
            plan = self._plan("sample", contents, stage, request.limit)
            return replace(plan, stages=(draw,), inputs={"images": f"{stage}/images"})
        folder = request.images or _SHIPPED
        truth = request.annotations or folder / _TRUTH_FILE
        *contents, last = file_digests([*(folder / row["name"] for row in _rows(truth)), truth])
        kind = "given" if request.images else "published"
        places = {"images": str(folder.absolute()), "truth": str(truth.absolute())}
        return replace(self._plan(kind, contents, last, request.limit), locations=places)

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """In the order of truth.json."""
        for row in _rows(self.truth(view))[start:stop]:
            path = view.paths["images"] / row["name"]
            if not path.is_file():
                raise DataError("no such image", where=str(path))
            yield Sample(id=row["id"], name=row["name"], path=path, size=tuple(row["size"]))

    def truth(self, view: DataView) -> Path:
        """truth.json, or the user's annotations."""
        return view.paths.get("truth", view.paths["images"] / _TRUTH_FILE)

    def _plan(self, kind: str, contents: list[str], source: str, limit: int | None) -> DataPlan:
        """Two samples a shard; `contents` stand for one image each, `source` for the whole."""
        chosen = contents[:limit]
        parts = [(at, chosen[at : at + _SHARD]) for at in range(0, len(chosen), _SHARD)]
        return DataPlan(
            dataset=self._name,
            kind=kind,
            stages=(),
            inputs={},
            locations={},
            params={},
            shards=tuple(Shard(start=a, stop=a + len(p), content=digest(p)) for a, p in parts),
            count=len(chosen),
            of=len(contents),
            content=digest([*chosen, source]),
            has_truth=True,
        )


def _rows(truth: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(truth.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"is not ground truth of the toy: {error}", where=str(truth)) from error
    if not isinstance(rows, list):
        raise DataError("is not ground truth of the toy", where=str(truth))
    return rows


def _matches(detections: Detections, truth: NDArray[np.float32]) -> list[tuple[float, bool]]:
    """Score of each detection and whether it is the best one of a box that is still free."""
    free = np.ones(len(truth), bool)
    rows = []
    for at in np.argsort(-detections.scores, kind="stable"):
        overlap = iou(detections.boxes[at : at + 1], truth)[0] * free
        hit = bool(overlap.max(initial=0.0) >= 0.5)
        if hit:
            free[overlap.argmax()] = False
        rows.append((float(detections.scores[at]), hit))
    return rows


def _average(rows: Sequence[tuple[float, bool]], total: int) -> float | None:
    """Area under the precision-recall curve, precision made monotone; None without truth."""
    if not total:
        return None
    hits = np.array([hit for _, hit in sorted(rows, key=lambda row: -row[0])], bool)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[hits].sum() / total)
