"""The evaluator `coco-detection`: settles boxes, scores them as COCO does, writes and draws."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_coco.coco_json import image_index
from zoo_coco.engine import evaluate
from zoo_coco.names import category_ids, coco_spelling, default_ids
from zoo_coco.results import (
    JSON_FILE,
    TEXT_FOLDER,
    as_xywh,
    corners,
    write_results,
    write_texts,
)
from zoo_coco.summary import NAMES, summary_lines
from zoo_coco.truth import truth_of
from zoo_core.api import Metrics
from zoo_core.toolkit.detection import (
    Candidates,
    DetectionRules,
    Detections,
    draw_detections,
    postprocess,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_coco.engine import Figures
    from zoo_coco.truth import Truth
    from zoo_core.api import Arrays, Predictions


class CocoDetection:
    """Boxes with labels and scores; the twelve figures of COCO."""

    task = "detection"
    versions: tuple[str, ...] = ("hotcoco", "pycocotools")
    """Packages whose version may change what `score` returns."""

    viewing: Mapping[str, Any] = MappingProxyType({"conf": 0.25, "nms": 0.45, "box_labels": "best"})
    """What `zoo predict` shows: the usual values of detectors' own demonstrations."""

    metrics: tuple[str, ...] = NAMES
    """The figures that `score` returns."""

    postprocess_label = "NMS"
    """What `zoo bench` calls the step in its breakdown."""

    def check(self, values: Mapping[str, Any]) -> None:
        """Raises `UsageError` naming the field that is unknown or out of range."""
        DetectionRules.from_values(values)

    def floor(self, values: Mapping[str, Any]) -> float:
        """The protocol's conf: rules are refused on candidates that were cut above it."""
        return DetectionRules.from_values(values).conf

    def postprocess(self, candidates: Arrays, values: Mapping[str, Any]) -> Arrays:
        """One image's candidates -> its detections, by the protocol's rules."""
        rules = DetectionRules.from_values(values)
        return postprocess(Candidates.from_arrays(candidates), rules).to_arrays()

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The twelve figures over exactly the images that were predicted.

        Labels are matched with the truth's categories by name, in COCO's or darknet's spelling;
        detections of a label that the truth does not know are ignored, categories that no label
        finds count as missed. Raises `DataError` where the two have nothing in common.
        """
        table = _Table.of(predictions)
        known = truth_of(truth, table.images)
        ids = category_ids(labels, known.categories, str(truth))
        figures = evaluate(known.data, table.numbered(known, ids), list(known.numbers.values()))
        return _metrics(figures, known)

    def write(
        self,
        predictions: Predictions,
        labels: Sequence[str],
        folder: Path,
        truth: Path | None = None,
    ) -> None:
        """Leaves predictions.json and txt/ in `folder`, one image at a time.

        Category ids are the truth's where it is given; else COCO's where all labels are COCO's,
        else the label's number from 1.
        """
        if truth is None:
            ids = dict(enumerate(default_ids(labels)))
        else:
            ids = category_ids(labels, image_index(truth).categories, str(truth))
        write_results(predictions, ids, folder / JSON_FILE)
        write_texts(predictions, labels, folder / TEXT_FOLDER)

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A copy of the image, uint8 H x W x 3 RGB, with the boxes that score above `least`."""
        found = Detections.from_arrays(prediction)
        names = [coco_spelling(label) for label in labels]
        return draw_detections(image, found, names, least)


class _Table:
    """All detections as numbers, 56 bytes each, with their images' ids aside."""

    def __init__(self, images: list[int | str], rows: NDArray[np.float64]) -> None:
        """`rows` is float64 [n, 7]: row in `images`, x, y, width, height, score, label index."""
        self.images = images
        self.rows = rows

    @classmethod
    def of(cls, predictions: Predictions) -> _Table:
        images: list[int | str] = []
        parts = [np.zeros((0, 7))]
        for prediction in predictions:
            boxes, scores = corners(prediction.arrays)
            part = np.empty((len(scores), 7))
            part[:, 0] = len(images)
            part[:, 1:5] = as_xywh(boxes)
            part[:, 5] = scores
            part[:, 6] = prediction.arrays["labels"]
            images.append(prediction.sample.id)
            parts.append(part)
        return cls(images, np.concatenate(parts))

    def numbered(self, truth: Truth, categories: Mapping[int, int]) -> NDArray[np.float64]:
        """The rows with the truth's image numbers and category ids; others are left out."""
        known = np.isin(self.rows[:, 6], list(categories))
        rows = self.rows[known]
        numbers = np.array([truth.numbers[image] for image in self.images], np.float64)
        rows[:, 0] = numbers[rows[:, 0].astype(np.intp)]
        ids = np.zeros(max(categories) + 1)
        ids[list(categories)] = list(categories.values())
        rows[:, 6] = ids[rows[:, 6].astype(np.intp)]
        return np.asarray(rows)


def _metrics(figures: Figures, truth: Truth) -> Metrics:
    values = dict(zip(NAMES, map(_defined, figures.stats.tolist()), strict=True))
    per_class = {
        truth.categories[number]: {"AP": _defined(ap), "AP50": _defined(ap50)}
        for number, ap, ap50 in zip(
            sorted(truth.categories), figures.ap.tolist(), figures.ap50.tolist(), strict=True
        )
    }
    return Metrics(values=values, lines=summary_lines(figures.stats.tolist()), per_class=per_class)


def _defined(value: float) -> float | None:
    return None if value < 0 else value
