"""The evaluators of masks, key points and oriented boxes: COCO's figures of each."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from zoo_coco.coco_json import image_index
from zoo_coco.engine import evaluate, matched
from zoo_coco.evaluator import DROPPED, CocoDetection, by_name, defined, ids_of, numbers_of
from zoo_coco.matching import AREAS, LIMITS, Matches
from zoo_coco.names import coco_spelling
from zoo_coco.results import TEXT_FOLDER, write_results, write_texts
from zoo_coco.summary import KEYPOINT_NAMES, NAMES, keypoint_lines, summary_lines
from zoo_coco.tasks.drawing import draw_masks, draw_oriented, draw_points
from zoo_coco.tasks.results import keypoint_rows, mask_rows, oriented_rows, write_rows
from zoo_coco.tasks.shapes import keypoints_of, mask_of, oriented_of
from zoo_coco.truth import truth_of
from zoo_coco.weighted import WeightedFigures
from zoo_core.api import Metrics
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.detection import (
    DetectionRules,
    Instances,
    KeypointCandidates,
    MaskCandidates,
    OrientedCandidates,
    OrientedDetections,
    Poses,
    draw_detections,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_coco.engine import Kind
    from zoo_coco.matching import Limits
    from zoo_coco.tasks.results import Rows
    from zoo_coco.truth import Truth
    from zoo_core.api import Arrays, Predictions

    Shapes = Callable[[Mapping[str, Any], tuple[int, int], str], dict[str, Any]]

BOXES = "predictions-boxes.json"
ROWS = "predictions.json"
_POINTS = 17
_Value = TypeVar("_Value")


class _WithBoxes:
    """What they share: boxes are settled, scored and written as in detection."""

    task: str
    kind: ClassVar[Kind]
    candidates: ClassVar[type[MaskCandidates | OrientedCandidates | KeypointCandidates]]
    names: ClassVar[tuple[str, ...]]
    what: ClassVar[str]
    areas: ClassVar[Sequence[Limits]] = AREAS
    limits: ClassVar[Sequence[int]] = LIMITS
    versions: tuple[str, ...] = ("hotcoco", "pycocotools")
    viewing: Mapping[str, Any] = MappingProxyType({"conf": 0.25, "nms": 0.45, "box_labels": "best"})
    postprocess_label = "NMS"

    def check(self, values: Mapping[str, Any]) -> None:
        """Raises `UsageError` naming the field that is unknown or out of range."""
        DetectionRules.from_values(values)

    def floor(self, values: Mapping[str, Any]) -> float:
        """The protocol's conf."""
        return DetectionRules.from_values(values).conf

    def postprocess(self, candidates: Arrays, values: Mapping[str, Any]) -> Arrays:
        """One image's candidates -> what the protocol leaves, and how many were not finite."""
        rules = DetectionRules.from_values(values)
        left = self.candidates.from_arrays(candidates).settle(rules)
        return {**left.to_arrays(), DROPPED: candidates[DROPPED]}

    def match(self, labels: Sequence[str], classes: Mapping[str, bool]) -> tuple[str, ...]:
        """What the truth and the labels do not have in common, one sentence each."""
        return CocoDetection().match(labels, classes)

    def _rows(self, ids: Mapping[int, Any]) -> Rows:
        raise NotImplementedError

    def _shapes(self, predictions: Predictions) -> Shapes:
        """What an annotation has for the task: of its row, its image's size and the file."""
        raise NotImplementedError

    def _sigmas(self, predictions: Predictions) -> NDArray[np.float64] | None:
        """The constants of key points, where they are not COCO's."""
        return None

    def reweighted(
        self,
        predictions: Predictions,
        truth: Path,
        labels: Sequence[str],
        weights: NDArray[np.float64],
    ) -> Mapping[str, NDArray[np.float64]]:
        """The figures of `score` and each class's AP ("AP/person") for weights of the images."""
        known, rows = self._told(predictions, truth, labels)
        images, objects = list(known.numbers.values()), len(known.data["annotations"])
        found = matched(known.data, rows, images, self.kind, self._sigmas(predictions))
        matches = Matches.of(found, self.areas, objects)
        figures = WeightedFigures(matches, len(known.names), self.limits)
        order = [prediction.sample.id for prediction in predictions]
        own = by_name(figures, self.names, known, order, weights)
        return own | _box_figures(CocoDetection().reweighted(predictions, truth, labels, weights))

    def _told(
        self, predictions: Predictions, truth: Path, labels: Sequence[str]
    ) -> tuple[Truth, list[dict[str, Any]]]:
        """The truth, and what was predicted as rows of COCO's results with its numbers."""
        sizes = {prediction.sample.id: _size(prediction.arrays) for prediction in predictions}
        shape = self._shapes(predictions)
        known = truth_of(
            truth, sizes, sizes, lambda row: shape(row, sizes[row["image_id"]], str(truth))
        )
        told = self._rows(numbers_of(labels, image_index(truth), known, truth))
        rows = [
            {**row, "image_id": known.numbers[row["image_id"]]}
            for prediction in predictions
            for row in told(prediction)
        ]
        return known, rows

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The task's figures, and those of the boxes under names that begin with `box_`.

        Over exactly the images that were predicted, as `CocoDetection.score`. Raises `DataError`
        for an annotation without what the task needs, or with one that does not fit its image.
        """
        boxes = CocoDetection().score(predictions, truth, labels)
        known, rows = self._told(predictions, truth, labels)
        images, sigmas = list(known.numbers.values()), self._sigmas(predictions)
        figures = evaluate(known.data, rows, images, self.kind, sigmas)
        stats = figures.stats.tolist()
        own = dict(zip(self.names, map(defined, stats), strict=True))
        per_class = {
            name: {"AP": defined(ap), "AP50": defined(ap50)} | _box_figures(boxes.per_class[name])
            for name, ap, ap50 in zip(
                known.names, figures.ap.tolist(), figures.ap50.tolist(), strict=True
            )
        }
        return Metrics(
            values=own | _box_figures(boxes.values),
            lines=(f"{self.what}:", *self._lines(stats), "boxes:", *boxes.lines),
            per_class=per_class,
            warnings=boxes.warnings,
        )

    def _lines(self, stats: Sequence[float]) -> tuple[str, ...]:
        return summary_lines(stats, self.kind)

    def write(
        self,
        predictions: Predictions,
        labels: Sequence[str],
        folder: Path,
        truth: Path | None = None,
    ) -> None:
        """Leaves predictions.json, predictions-boxes.json and txt/ in `folder`.

        The first is COCO's form of results of this task, which has no boxes: an evaluation would
        take their areas for those of the masks or points. The others are as in detection.
        """
        ids = ids_of(labels, truth)
        write_rows(predictions, self._rows(ids), folder / ROWS)
        write_results(predictions, ids, folder / BOXES)
        write_texts(predictions, labels, folder / TEXT_FOLDER)


class CocoSegmentation(_WithBoxes):
    """Boxes with masks; the twelve figures of COCO's `segm`, and those of the boxes."""

    task = "instance-segmentation"
    kind, what = "segm", "masks"
    candidates = MaskCandidates
    names = NAMES
    metrics: tuple[str, ...] = (*NAMES, *(f"box_{name}" for name in NAMES))

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A copy of the image, uint8 [h, w, 3] RGB, with masks and boxes above `least`."""
        found = Instances.from_arrays(prediction)
        canvas = draw_masks(image, found, least)
        return draw_detections(canvas, found.detections, coco_spelling(labels), least)

    def _shapes(self, predictions: Predictions) -> Shapes:
        return lambda row, size, where: {"segmentation": mask_of(row, size, where)}

    def _rows(self, ids: Mapping[int, Any]) -> Rows:
        return partial(mask_rows, ids)


class CocoOriented(_WithBoxes):
    """Oriented boxes; the twelve figures by their own overlap, and those of the upright boxes."""

    task = "oriented-detection"
    kind, what = "obb", "oriented boxes"  # hotcoco's; pycocotools has no such figures
    candidates = OrientedCandidates
    names = NAMES
    versions: tuple[str, ...] = ("hotcoco", "opencv-python-headless")
    metrics: tuple[str, ...] = (*NAMES, *(f"box_{name}" for name in NAMES))

    def check(self, values: Mapping[str, Any]) -> None:
        """The same fields as in detection; NMS goes by the overlap of the oriented boxes."""
        super().check(values)
        if values.get("nms_kind") == "diou":
            step = "use nms_kind iou, or none"
            raise UsageError("nms_kind diou is not defined for oriented boxes", next=step)

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A copy of the image, uint8 [h, w, 3] RGB, with the oriented boxes above `least`."""
        found = OrientedDetections.from_arrays(prediction)
        return draw_oriented(image, found, coco_spelling(labels), least)

    def _shapes(self, predictions: Predictions) -> Shapes:
        return lambda row, _, where: {"obb": oriented_of(row, where)}

    def _rows(self, ids: Mapping[int, Any]) -> Rows:
        return partial(oriented_rows, ids)


class CocoKeypoints(_WithBoxes):
    """Boxes with key points; the ten figures of COCO's `keypoints`, and those of the boxes."""

    task = "keypoints"
    kind, what = "keypoints", "key points"
    candidates = KeypointCandidates
    names = KEYPOINT_NAMES
    areas, limits = (AREAS[0], *AREAS[2:]), (20,)
    metrics: tuple[str, ...] = (*KEYPOINT_NAMES, *(f"box_{name}" for name in NAMES))

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The figures over exactly the images that were predicted; see `CocoDetection.score`.

        The similarity of points (OKS) uses COCO's 17 constants for 17 points; for another number,
        which COCO does not define, 1 / number for all, with a warning. Raises `DataError` for an
        annotation of another number of points than the network's.
        """
        metrics = super().score(predictions, truth, labels)
        texts, count = metrics.warnings, _count(predictions)
        if count != _POINTS:
            texts = (
                *texts,
                f"COCO defines OKS for {_POINTS} points: of {count}, each counts alike",
            )
        if metrics.values["AP"] is None:
            texts = (*texts, "no annotation has a key point that counts: the figures are undefined")
        return Metrics(
            values=metrics.values, lines=metrics.lines, per_class=metrics.per_class, warnings=texts
        )

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A copy of the image, uint8 [h, w, 3] RGB, with boxes, points and COCO's limbs."""
        found = Poses.from_arrays(prediction)
        canvas = draw_detections(image, found.detections, coco_spelling(labels), least)
        return draw_points(canvas, found, least)

    def _lines(self, stats: Sequence[float]) -> tuple[str, ...]:
        return keypoint_lines(stats)

    def _shapes(self, predictions: Predictions) -> Shapes:
        return partial(_points, _count(predictions))

    def _sigmas(self, predictions: Predictions) -> NDArray[np.float64] | None:
        count = _count(predictions)
        return None if count == _POINTS else np.full(count, 1 / count)

    def _rows(self, ids: Mapping[int, Any]) -> Rows:
        return partial(keypoint_rows, ids)


def _count(predictions: Predictions) -> int:
    """The number of key points, which is that of all predictions."""
    counts = {prediction.arrays["keypoints"].shape[1] for prediction in predictions}
    if len(counts) > 1:
        raise DataError(f"predictions have {sorted(counts)} key points")
    return next(iter(counts), _POINTS)


def _points(count: int, row: Mapping[str, Any], _: tuple[int, int], where: str) -> dict[str, Any]:
    values = keypoints_of(row, count, where)
    return {"keypoints": values, "num_keypoints": sum(seen > 0 for seen in values[2::3])}


def _size(arrays: Arrays) -> tuple[int, int]:
    if "size" not in arrays:
        return (1, 1)  # points need no size
    height, width = arrays["size"].tolist()
    return height, width


def _box_figures(figures: Mapping[str, _Value]) -> dict[str, _Value]:
    return {f"box_{name}": value for name, value in figures.items()}
