"""The contracts of evaluators: perfect scores best, less scores less, all is pure."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from zoo_core.api import MatchesLabels, Metrics, Prediction, Sample
from zoo_core.errors import DataError, UsageError, ZooError
from zoo_core.testing.contracts.arrays import check_pure, check_storable, copied, same
from zoo_core.testing.contracts.base import TaskContract
from zoo_core.testing.contracts.checks import (
    NONSENSE,
    contents,
    hinted_refusal,
    must,
    refusal,
    with_wrong_key,
)
from zoo_core.toolkit.detection import Candidates, Detections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import Arrays

_CLOSE = 1e-6
_GREY = 90
_FRACTION = (0.0, 1.0)

_TRUTH: tuple[tuple[tuple[tuple[int, int, int, int], int], ...], ...] = (
    (((4, 6, 54, 90), 0), ((70, 10, 150, 110), 1)),
    (((10, 10, 24, 22), 1), ((40, 30, 80, 60), 0), ((90, 60, 158, 118), 0)),
    (((0, 0, 160, 120), 1),),
)
"""Boxes xyxy and labels of three images."""


class TaskEvaluatorContract(TaskContract):
    """What an evaluator of any task keeps. Subclass it, set `plugin`, `name`, `task` and `metric`.

    `values` is a whole set of the protocol fields it owns. `metric` is the figure that is `best`
    for perfect predictions and `worst` where nothing is detected (None: only less good); wrong
    predictions are further than `margin` from the best. `ranges` holds (least, most) of each figure
    that is not from 0 to 1. `least` is the score above which things are drawn, `size` (height,
    width) of the images. Override `write_truth`, `perfect` and `nothing`, and what else does not
    fit. For detection there is `EvaluatorContract`.
    """

    kind: ClassVar[str] = "evaluator"
    metric: str
    values: Mapping[str, Any] = MappingProxyType({})
    labels: tuple[str, ...] = ("person", "car")
    size: tuple[int, int] = (120, 160)
    best: float = 1.0
    worst: float | None = 0.0
    margin: float = 0.5
    least: float = 0.5
    ranges: Mapping[str, tuple[float, float]] = MappingProxyType({})

    def samples(self) -> list[Sample]:
        """Three images, which need not exist."""
        return [
            Sample(id=at, name=f"image{at}.png", path=Path(f"image{at}.png"), size=self.size)
            for at in range(1, 4)
        ]

    def write_truth(self, folder: Path) -> Path:
        """Writes the truth of `samples` as the task's data sets hand it over."""
        raise NotImplementedError(f"{type(self).__name__}.write_truth: say how truth looks")

    def perfect(self) -> Sequence[Arrays]:
        """Postprocessed predictions, one per sample, that say what the truth says; no two alike."""
        raise NotImplementedError(f"{type(self).__name__}.perfect: say how predictions look")

    def nothing(self) -> Sequence[Arrays]:
        """Postprocessed predictions, one per sample, where nothing is detected."""
        raise NotImplementedError(f"{type(self).__name__}.nothing: say how predictions look")

    def wrong(self) -> Mapping[str, Sequence[Arrays]]:
        """Wrong predictions by what is wrong with them; by default they are of other samples."""
        first, *others = self.perfect()
        return {"images": [*others, first]}

    def candidates(self) -> Sequence[Arrays]:
        """Candidates, one set per sample, that are postprocessed to perfect predictions."""
        return self.perfect()

    def test_perfect_predictions_score_best(self, tmp_path: Path) -> None:
        """Every figure is a fraction, in its range or undefined, and there is a line to show."""
        metrics = self._score(self.perfect(), tmp_path)
        good = self._from_best(metrics) < _CLOSE
        must(good, f"perfect predictions score {self._figure(metrics)}, not {self.best}")
        self._check_figures(metrics)
        must(metrics.lines, "it has no line to show")

    def test_nothing_detected_scores_less(self, tmp_path: Path) -> None:
        """The worst figure, without an exception."""
        metrics = self._score(self.nothing(), tmp_path)
        value, far = metrics.values.get(self.metric), self._from_best(metrics)
        good = _CLOSE < far < math.inf if self.worst is None else value == self.worst
        must(good, f"where nothing is detected it scores {self._figure(metrics)}")
        self._check_figures(metrics)

    def test_wrong_predictions_score_less(self, tmp_path: Path) -> None:
        """By more than the margin."""
        for what, arrays in self.wrong().items():
            metrics = self._score(arrays, tmp_path)
            good = self.margin < self._from_best(metrics) < math.inf
            must(good, f"wrong {what} score {self._figure(metrics)}")

    def test_the_order_of_samples_does_not_matter(self, tmp_path: Path) -> None:
        """Predictions go to their truth by the sample, not by their place."""
        arrays = [self.nothing()[0], *self.perfect()[1:]]
        pairs = list(self._listed(arrays))
        there, back = (self._metrics(rows, tmp_path) for rows in (pairs, pairs[::-1]))
        for name, value in there.values.items():
            other = back.values.get(name)
            both = value is not None and other is not None
            alike = abs((value or 0) - (other or 0)) < _CLOSE if both else value == other
            must(alike, f"{name} is {value}, with the samples turned round {other}")

    def test_scoring_is_pure(self, tmp_path: Path) -> None:
        """Predictions stay as they are; twice the same gives the same."""
        arrays = self.perfect()
        before = [copied(row) for row in arrays]
        first, second = self._score(arrays, tmp_path), self._score(arrays, tmp_path)
        for row, kept in zip(arrays, before, strict=True):
            must(same(row, kept), "scoring changes the predictions")
        must(first == second, "scoring the same predictions twice gives two results")

    def test_labels_are_matched_before_a_run(self) -> None:
        """If it is `MatchesLabels`: it names what only one side has, and refuses other classes."""
        match, classes = self._matching().match, dict.fromkeys(self.labels, True)
        said = match(self.labels, classes)
        must(said == (), f"of labels that all match, match says {said!r}")
        for labels, known in (
            ((*self.labels, NONSENSE), classes),
            (self.labels, {**classes, NONSENSE: True}),
        ):
            said = match(labels, known)
            good = isinstance(said, tuple) and any(NONSENSE in text for text in said)
            must(good, f"of a name that only one side has, match says {said!r}")
        error = refusal(partial(match, (NONSENSE,), classes), DataError, "truth of other classes")
        must(error.next, "the refusal of other classes names no next step")

    def test_its_own_values_are_accepted(self) -> None:
        """With those for viewing in their place too; and their floor is a score."""
        evaluator = self._provider()
        try:
            evaluator.check(self.values)
            evaluator.check({**self.values, **getattr(evaluator, "viewing", {})})
            floor = evaluator.floor(self.values)
        except ZooError as error:
            raise AssertionError(f"it refuses its own values: {error}") from error
        must(0 <= floor <= 1, f"its floor is {floor}")

    def test_an_unknown_field_is_refused(self) -> None:
        """A misspelt field is a UsageError with a hint."""
        values, wrong = with_wrong_key(self.values)
        hinted_refusal(lambda: self._provider().check(values), wrong, f"field '{wrong}'")

    def test_a_wrong_value_is_refused(self) -> None:
        """Each field wants a value of its own kind: UsageError, naming the field."""
        for name in self.values:
            values = {**self.values, name: {"no": "value"}}
            error = refusal(partial(self._provider().check, values), UsageError, name)
            must(name in str(error), f"the refusal of a wrong {name} does not name it: {error}")

    def test_postprocessing_is_pure(self) -> None:
        """Candidates stay as they are; twice the same gives the same."""
        for candidates in self.candidates():
            check_pure(self._postprocess, candidates, "postprocessing")

    def test_postprocessed_candidates_score_best(self, tmp_path: Path) -> None:
        """Clear candidates become what `score` reads, and none is lost."""
        metrics = self._score(self._postprocessed(), tmp_path)
        good = self._from_best(metrics) < _CLOSE
        must(good, f"postprocessed candidates score {self._figure(metrics)}")

    def test_predictions_can_be_stored(self, tmp_path: Path) -> None:
        """Arrays of plain dtypes, with the same names and dtypes for every image."""
        check_storable(self._postprocessed(), tmp_path, "predictions")

    def test_it_writes_files(self, tmp_path: Path) -> None:
        """The same ones each time, also where nothing is detected."""
        arrays = self.perfect()
        first, second = self._written(arrays, tmp_path / "a"), self._written(arrays, tmp_path / "b")
        must(any(first.values()), "it writes no file")
        try:
            self._written(arrays, tmp_path / "with-truth", self.write_truth(tmp_path))
        except (ZooError, TypeError) as error:
            what = f"it does not write where it gets the ground truth: {error}"
            raise AssertionError(what) from error
        must(first == second, "writing the same predictions twice gives two results")
        nothing = self._written(self.nothing(), tmp_path / "c")
        must(nothing != first, "it writes the same without any")

    def test_it_draws_on_a_copy(self) -> None:
        """A picture of the same size, with something on it."""
        image, drawn = self._drawn(self.least)
        must((image == _GREY).all(), "it draws into the image itself")
        fits = drawn.shape == image.shape and drawn.dtype == np.uint8
        must(fits, f"the picture is {drawn.dtype} {drawn.shape}")
        must((drawn != image).any(), "it draws nothing")

    def _matching(self) -> MatchesLabels:
        provider = self._provider()
        if not isinstance(provider, MatchesLabels):
            pytest.skip("it does not match labels")
        return provider

    def _score(self, arrays: Sequence[Arrays], folder: Path) -> Metrics:
        return self._metrics(self._listed(arrays), folder)

    def _metrics(self, predictions: Sequence[Prediction], folder: Path) -> Metrics:
        truth = self.write_truth(folder)
        metrics: Metrics = self._provider().score(predictions, truth, self.labels)
        return metrics

    def _listed(self, arrays: Sequence[Arrays]) -> list[Prediction]:
        pairs = zip(self.samples(), arrays, strict=True)
        return [Prediction(sample=s, arrays=a) for s, a in pairs]

    def _postprocess(self, candidates: Arrays) -> Arrays:
        arrays: Arrays = self._provider().postprocess(candidates, self.values)
        return arrays

    def _postprocessed(self) -> list[Arrays]:
        return [self._postprocess(candidates) for candidates in self.candidates()]

    def _drawn(self, least: float) -> tuple[Any, Any]:
        """An empty image, and the picture that is drawn on it."""
        image = np.full((*self.size, 3), _GREY, np.uint8)
        return image, self._provider().draw(image, self.perfect()[0], self.labels, least)

    def _written(
        self, arrays: Sequence[Arrays], folder: Path, truth: Path | None = None
    ) -> dict[str, bytes]:
        folder.mkdir()
        self._provider().write(self._listed(arrays), self.labels, folder, truth)
        return contents(folder)

    def _figure(self, metrics: Metrics) -> str:
        return f"{self.metric} {metrics.values.get(self.metric)}"

    def _from_best(self, metrics: Metrics) -> float:
        """How far the metric is from the best; infinity where it is undefined."""
        value = metrics.values.get(self.metric)
        return math.inf if value is None else abs(value - self.best)

    def _check_figures(self, metrics: Metrics) -> None:
        must(json.loads(json.dumps(metrics.to_data())), "its metrics are not what JSON can hold")
        for name, value in metrics.values.items():
            least, most = self.ranges.get(name, _FRACTION)
            what = f"not from {least:g} to {most:g}" if name in self.ranges else "not a fraction"
            must(value is None or least <= value <= most, f"{name} is {value}, {what}")
        listed, scored = getattr(self._provider(), "metrics", metrics.values), set(metrics.values)
        must(set(listed) == scored, f"it scores {sorted(scored)}, `metrics` lists {list(listed)}")


class EvaluatorContract(TaskEvaluatorContract):
    """What an evaluator of detections keeps. Subclass it, set `plugin` and `name`.

    `values` lets scores above one half through. Override `write_truth` where its truth is not
    COCO's. What else can be set is in `TaskEvaluatorContract`.
    """

    task = "detection"
    metric: str = "AP"

    def write_truth(self, folder: Path) -> Path:
        """Writes the truth of `samples` to a file: boxes of `detections`."""
        rows = [
            {
                "image_id": sample.id,
                "category_id": label + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
            for sample, boxes in zip(self.samples(), _TRUTH, strict=True)
            for (x1, y1, x2, y2), label in boxes
        ]
        height, width = self.size
        data = {
            "images": [
                {"id": s.id, "file_name": s.name, "height": height, "width": width}
                for s in self.samples()
            ],
            "annotations": [{**row, "id": at} for at, row in enumerate(rows, start=1)],
            "categories": [{"id": at, "name": n} for at, n in enumerate(self.labels, start=1)],
        }
        path = folder / "truth.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    def detections(self) -> list[Detections]:
        """The objects in the samples."""
        return [
            Detections(
                boxes=np.array([box for box, _ in boxes], np.float32),
                scores=np.linspace(0.9, 0.7, len(boxes), dtype=np.float32),
                labels=np.array([label for _, label in boxes], np.int32),
            )
            for boxes in _TRUTH
        ]

    def perfect(self) -> Sequence[Arrays]:
        """The detections."""
        return [detections.to_arrays() for detections in self.detections()]

    def nothing(self) -> Sequence[Arrays]:
        """No box in any image."""
        return [Detections.empty().to_arrays() for _ in self.samples()]

    def wrong(self) -> Mapping[str, Sequence[Arrays]]:
        """Labels turned round, and boxes moved away."""
        every = self.detections()
        return {
            "labels": [replace(one, labels=1 - one.labels).to_arrays() for one in every],
            "boxes": [
                replace(one, boxes=one.boxes + np.float32(1000)).to_arrays() for one in every
            ],
        }

    def candidates(self) -> Sequence[Arrays]:
        """One candidate for each detection."""
        rows: list[Arrays] = []
        for one in self.detections():
            table = np.zeros((len(one), len(self.labels)), np.float32)
            table[np.arange(len(one)), one.labels] = one.scores
            rows.append(Candidates.from_dense(one.boxes, table, 0.001, self.size).to_arrays())
        return rows

    def test_postprocessing_keeps_detections(self) -> None:
        """Clear candidates become the detections they are; none become none."""
        for candidates, expected in zip(self.candidates(), self.detections(), strict=True):
            kept = self._detections(candidates)
            must(len(kept) == len(expected), f"{len(kept)} of {len(expected)} are kept")
            must(np.allclose(kept.boxes, expected.boxes, atol=0.01), "boxes are changed")
            must(np.array_equal(kept.labels, expected.labels), "labels are changed")
        nothing = self._detections(Candidates.empty(0.0, self.size).to_arrays())
        must(len(nothing) == 0, f"{len(nothing)} detections out of nothing")

    def test_score_repeats_what_match_says(self, tmp_path: Path) -> None:
        """If it is `MatchesLabels`."""
        labels = (*self.labels, NONSENSE)
        said = self._matching().match(labels, dict.fromkeys(self.labels, True))
        predictions, truth = self._listed(self.perfect()), self.write_truth(tmp_path)
        missing = set(said) - set(self._provider().score(predictions, truth, labels).warnings)
        must(not missing, f"score does not repeat what match says: {missing}")

    def test_only_what_scores_enough_is_drawn(self) -> None:
        """Nothing where no score is above `least`."""
        image, drawn = self._drawn(0.99)
        must((drawn == image).all(), "it draws what scores less")

    def _detections(self, candidates: Arrays) -> Detections:
        try:
            return Detections.from_arrays(self._postprocess(candidates))
        except (ZooError, KeyError) as error:
            raise AssertionError(f"it does not return Detections.to_arrays(): {error}") from error
