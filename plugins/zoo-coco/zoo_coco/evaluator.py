"""The evaluator `coco-detection`: settles boxes, scores them as COCO does, writes and draws."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_coco.coco_json import image_index
from zoo_coco.engine import evaluate
from zoo_coco.matching import Boxes, match
from zoo_coco.names import category_ids, coco_spelling, default_ids, unmatched
from zoo_coco.results import (
    JSON_FILE,
    TEXT_FOLDER,
    as_xywh,
    corners,
    write_results,
    write_texts,
)
from zoo_coco.substitute import substituted
from zoo_coco.summary import NAMES, summary_lines
from zoo_coco.truth import truth_of
from zoo_coco.weighted import WeightedFigures
from zoo_core.api import Metrics, Substituted
from zoo_core.errors import some
from zoo_core.toolkit.coco import box_warnings
from zoo_core.toolkit.detection import (
    Candidates,
    DetectionRules,
    Detections,
    draw_detections,
    postprocess,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_coco.coco_json import ImageIndex
    from zoo_coco.engine import Figures
    from zoo_coco.truth import Truth
    from zoo_core.api import Arrays, Predictions
    from zoo_core.toolkit.coco import CategoryId


DROPPED = "dropped"
_DECODED = "check the card's `decoder_params` (does the file hold decoded boxes?)"
_CHECK = f"{_DECODED}, its `preprocess`, the order of the labels, and the weights"


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
        """One image's candidates -> its detections, and how many boxes were not finite."""
        rules, found = DetectionRules.from_values(values), Candidates.from_arrays(candidates)
        return {**postprocess(found, rules).to_arrays(), DROPPED: candidates[DROPPED]}

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The twelve figures over exactly the images that were predicted.

        Labels are matched with the truth's categories by name, in any usual spelling; detections of
        a label that the truth does not know are ignored, categories that no label finds count as
        missed, and a warning names both. Raises `DataError` where the two have nothing in common.
        """
        table, index = _Table.of(predictions), image_index(truth)
        known = truth_of(truth, table.images)
        numbers = numbers_of(labels, index, known, truth)
        rows = table.numbered(known, numbers)
        figures = evaluate(known.data, rows, list(known.numbers.values()))
        chosen = [image for image in index.images if image.id in known.numbers]
        warnings = (
            *unmatched(labels, index.classes),
            *_matched_alone(figures, known, set(numbers.values())),
            *box_warnings(chosen, index.unlisted, index.strange),
            *table.warnings(figures, len(rows)),
        )
        return _metrics(figures, known, warnings)

    def reweighted(
        self,
        predictions: Predictions,
        truth: Path,
        labels: Sequence[str],
        weights: NDArray[np.float64],
    ) -> Mapping[str, NDArray[np.float64]]:
        """The twelve figures and each class's AP ("AP/person") for weights of the images."""
        table = _Table.of(predictions)
        known = truth_of(truth, table.images)
        rows = table.numbered(known, numbers_of(labels, image_index(truth), known, truth))
        rows[:, [0, 6]] -= 1
        boxes = Boxes.of(known.data)
        figures = WeightedFigures(match(boxes, rows), len(known.names))
        return by_name(figures, NAMES, known, table.images, weights)

    def substituted(self, reference: Arrays, measured: Arrays) -> Mapping[str, Substituted]:
        """The reference with the boxes, the scores or the classes of the measured run.

        Raises `UsageError` where boxes were suppressed before they were stored.
        """
        made = substituted(Candidates.from_arrays(reference), Candidates.from_arrays(measured))
        return {
            part: Substituted(arrays=found.to_arrays(), rows=len(found.anchor), lacking=lacking)
            for part, (found, lacking) in made.items()
        }

    def match(self, labels: Sequence[str], classes: Mapping[str, bool]) -> tuple[str, ...]:
        """What the truth and the labels do not have in common, one sentence each.

        Raises `DataError` where nothing matches.
        """
        return unmatched(labels, classes)

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
        ids = ids_of(labels, truth)
        write_results(predictions, ids, folder / JSON_FILE)
        write_texts(predictions, labels, folder / TEXT_FOLDER)

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A copy of the image, uint8 H x W x 3 RGB, with the boxes that score above `least`."""
        found = Detections.from_arrays(prediction)
        return draw_detections(image, found, coco_spelling(labels), least)


def ids_of(labels: Sequence[str], truth: Path | None) -> Mapping[int, CategoryId]:
    """The category id of each label in files; labels that the truth does not know are left out."""
    if truth is None:
        return dict(enumerate(default_ids(labels)))
    index = image_index(truth)
    return category_ids(labels, index.categories, index.used, str(truth))


class _Table:
    """All detections as numbers, 56 bytes each, with their images' ids aside."""

    def __init__(
        self, images: list[int | str], rows: NDArray[np.float64], dropped: list[int]
    ) -> None:
        """`rows` is float64 [n, 7]: row in `images`, x, y, width, height, score, label index.

        `dropped` is the number of boxes of each image that were not finite.
        """
        self.images = images
        self.rows = rows
        self.dropped = dropped

    @classmethod
    def of(cls, predictions: Predictions) -> _Table:
        images: list[int | str] = []
        dropped: list[int] = []
        parts = [np.zeros((0, 7))]
        for prediction in predictions:
            boxes, scores = corners(prediction.arrays)
            part = np.empty((len(scores), 7))
            part[:, 0] = len(images)
            part[:, 1:5] = as_xywh(boxes)
            part[:, 5] = scores
            part[:, 6] = prediction.arrays["labels"]
            images.append(prediction.sample.id)
            dropped.append(int(np.sum(prediction.arrays.get(DROPPED, 0))))
            parts.append(part)
        return cls(images, np.concatenate(parts), dropped)

    def warnings(self, figures: Figures, scored: int) -> Iterator[str]:
        """Why nothing is found, or nothing fits; and boxes that were not finite."""
        dropped, images = sum(self.dropped), len(self.images)
        infinite = f"{dropped} boxes had coordinates that are not finite"
        if not len(self.rows):
            why = infinite if dropped else "no score is above the protocol's conf"
            yield f"no detection in any of the {images} images: {why}; {_CHECK}"
        elif dropped:
            places = sum(count > 0 for count in self.dropped)
            yield f"{infinite}, in {places} of {images} images, and are left out; {_DECODED}"
        if len(self.rows) and figures.stats[1] == 0:
            yield f"none of the {scored} detections fits a box of its class; {_CHECK}"

    def numbered(self, truth: Truth, categories: Mapping[int, int]) -> NDArray[np.float64]:
        """The rows with the truth's image and category numbers; others are left out."""
        known = np.isin(self.rows[:, 6], list(categories))
        rows = self.rows[known]
        numbers = np.array([truth.numbers[image] for image in self.images], np.float64)
        rows[:, 0] = numbers[rows[:, 0].astype(np.intp)]
        ids = np.zeros(max(categories) + 1)
        ids[list(categories)] = list(categories.values())
        rows[:, 6] = ids[rows[:, 6].astype(np.intp)]
        return np.asarray(rows)


def numbers_of(
    labels: Sequence[str], index: ImageIndex, truth: Truth, path: Path
) -> dict[int, int]:
    """The truth's number of each label that it knows."""
    ids = category_ids(labels, index.categories, index.used, str(path))
    return {label: truth.categories[category] for label, category in ids.items()}


def by_name(
    figures: WeightedFigures,
    names: Sequence[str],
    truth: Truth,
    images: Sequence[int | str],
    weights: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """The figures for weights [R, images], and each class's AP ("AP/person")."""
    by_number = np.empty_like(weights)
    by_number[:, [truth.numbers[image] - 1 for image in images]] = weights
    stats, ap = figures(by_number)
    classes = {f"AP/{name}": column for name, column in zip(truth.names, ap.T, strict=True)}
    return {**dict(zip(names, stats.T, strict=True)), **classes}


def _metrics(figures: Figures, truth: Truth, warnings: tuple[str, ...]) -> Metrics:
    stats = figures.stats.tolist()
    rows = zip(truth.names, figures.ap.tolist(), figures.ap50.tolist(), strict=True)
    return Metrics(
        values=dict(zip(NAMES, map(defined, stats), strict=True)),
        lines=summary_lines(stats),
        per_class={name: {"AP": defined(ap), "AP50": defined(ap50)} for name, ap, ap50 in rows},
        warnings=warnings,
    )


def _matched_alone(figures: Figures, truth: Truth, matched: set[int]) -> Iterator[str]:
    """AP over the categories that a label matches, where that leaves out a category with boxes."""
    scored = np.flatnonzero(figures.ap >= 0)
    own = [row for row in scored.tolist() if row + 1 in matched]
    if own and len(own) < len(scored):
        ap, ap50 = figures.ap[own].mean(), figures.ap50[own].mean()
        yield (
            f"over the {len(own)} of {len(scored)} categories that have boxes and match a label, "
            f"AP is {ap:.4f} and AP50 {ap50:.4f} ({some([truth.names[row] for row in own])})"
        )


def defined(value: float) -> float | None:
    """A figure, None where COCO's evaluation says -1."""
    return None if value < 0 else value
