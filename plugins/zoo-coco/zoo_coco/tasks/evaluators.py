"""The evaluators of masks, key points and oriented boxes: COCO's figures of each."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo_coco.coco_json import image_index
from zoo_coco.engine import evaluate
from zoo_coco.evaluator import DROPPED, CocoDetection, defined, ids_of, numbers_of
from zoo_coco.names import coco_spelling
from zoo_coco.results import TEXT_FOLDER, write_results, write_texts
from zoo_coco.summary import KEYPOINT_NAMES, NAMES, keypoint_lines, summary_lines
from zoo_coco.tasks.drawing import draw_masks, draw_oriented, draw_points
from zoo_coco.tasks.results import keypoint_rows, mask_rows, oriented_rows, write_rows
from zoo_coco.tasks.shapes import keypoints_of, mask_of, oriented_of
from zoo_coco.truth import truth_of
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
    from zoo_coco.tasks.results import Rows
    from zoo_coco.truth import Further
    from zoo_core.api import Arrays, Predictions

BOXES = "predictions-boxes.json"
ROWS = "predictions.json"
_POINTS = 17


class _WithBoxes:
    """What they share: boxes are settled, scored and written as in detection."""

    task: str
    kind: ClassVar[Kind]
    candidates: ClassVar[type[MaskCandidates | OrientedCandidates | KeypointCandidates]]
    names: ClassVar[tuple[str, ...]]
    what: ClassVar[str]
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

    def _scored(
        self,
        predictions: Predictions,
        truth: Path,
        labels: Sequence[str],
        further: Callable[[Mapping[Any, tuple[int, int]]], Further],
        sigmas: NDArray[np.float64] | None = None,
    ) -> Metrics:
        """The task's figures, and those of the boxes under names that begin with `box_`."""
        boxes = CocoDetection().score(predictions, truth, labels)
        sizes = {prediction.sample.id: _size(prediction.arrays) for prediction in predictions}
        known = truth_of(truth, sizes, sizes, further(sizes))
        numbers = numbers_of(labels, image_index(truth), known, truth)
        rows = [
            {**row, "image_id": known.numbers[row["image_id"]]}
            for prediction in predictions
            for row in self._rows(numbers)(prediction)
        ]
        figures = evaluate(known.data, rows, list(known.numbers.values()), self.kind, sigmas)
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

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The figures over exactly the images that were predicted; see `CocoDetection.score`.

        A mask of the truth is polygons or run lengths; raises `DataError` for an annotation without
        one, or with one that does not fit its image.
        """

        def further(sizes: Mapping[Any, tuple[int, int]]) -> Further:
            return lambda row: {"segmentation": mask_of(row, sizes[row["image_id"]], str(truth))}

        return self._scored(predictions, truth, labels, further)

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A copy of the image, uint8 [h, w, 3] RGB, with masks and boxes above `least`."""
        found = Instances.from_arrays(prediction)
        canvas = draw_masks(image, found, least)
        return draw_detections(canvas, found.detections, coco_spelling(labels), least)

    def _rows(self, ids: Mapping[int, Any]) -> Rows:
        return partial(mask_rows, ids)


class CocoOriented(_WithBoxes):
    """Oriented boxes; the twelve figures by their own overlap, and those of the upright boxes."""

    task = "oriented-detection"
    kind, what = "obb", "oriented boxes"
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

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The figures over exactly the images that were predicted; see `CocoDetection.score`.

        Raises `DataError` for an annotation without an oriented box, and `UnavailableError` where
        hotcoco is not installed: pycocotools has no such figures.
        """

        def further(sizes: Mapping[Any, tuple[int, int]]) -> Further:
            return lambda row: {"obb": oriented_of(row, str(truth))}

        return self._scored(predictions, truth, labels, further)

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A copy of the image, uint8 [h, w, 3] RGB, with the oriented boxes above `least`."""
        found = OrientedDetections.from_arrays(prediction)
        return draw_oriented(image, found, coco_spelling(labels), least)

    def _rows(self, ids: Mapping[int, Any]) -> Rows:
        return partial(oriented_rows, ids)


class CocoKeypoints(_WithBoxes):
    """Boxes with key points; the ten figures of COCO's `keypoints`, and those of the boxes."""

    task = "keypoints"
    kind, what = "keypoints", "key points"
    candidates = KeypointCandidates
    names = KEYPOINT_NAMES
    metrics: tuple[str, ...] = (*KEYPOINT_NAMES, *(f"box_{name}" for name in NAMES))

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The figures over exactly the images that were predicted; see `CocoDetection.score`.

        The similarity of points (OKS) uses COCO's 17 constants for 17 points; for another number,
        which COCO does not define, 1 / number for all, with a warning. Raises `DataError` for an
        annotation of another number of points than the network's.
        """
        counts = {prediction.arrays["keypoints"].shape[1] for prediction in predictions}
        if len(counts) > 1:
            raise DataError(f"predictions have {sorted(counts)} key points")
        count = next(iter(counts), _POINTS)
        sigmas = None if count == _POINTS else np.full(count, 1 / count)

        def further(sizes: Mapping[Any, tuple[int, int]]) -> Further:
            return partial(_points, count, str(truth))

        metrics = self._scored(predictions, truth, labels, further, sigmas)
        texts = metrics.warnings
        if sigmas is not None:
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

    def _rows(self, ids: Mapping[int, Any]) -> Rows:
        return partial(keypoint_rows, ids)


def _points(count: int, where: str, row: Mapping[str, Any]) -> dict[str, Any]:
    values = keypoints_of(row, count, where)
    return {"keypoints": values, "num_keypoints": sum(seen > 0 for seen in values[2::3])}


def _size(arrays: Arrays) -> tuple[int, int]:
    if "size" not in arrays:
        return (1, 1)  # points need no size
    height, width = arrays["size"].tolist()
    return height, width


def _box_figures(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    return {f"box_{name}": value for name, value in figures.items()}
