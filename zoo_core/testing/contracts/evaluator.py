"""The contract of a detection evaluator: perfect scores 1, nothing 0, and pure settling."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError, ZooError
from zoo_core.nouns import Metrics, Prediction, Sample
from zoo_core.predictions import ListedPredictions
from zoo_core.testing.contracts.checks import (
    hinted_refusal,
    must,
    plugins_of,
    refusal,
    with_wrong_key,
)
from zoo_core.testing.contracts.isolated import Isolated
from zoo_core.vision.detections import Candidates, Detections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from zoo_core.nouns import Arrays, Evaluator

_SIZE = (120, 160)
_TRUTH: tuple[tuple[tuple[tuple[int, int, int, int], int], ...], ...] = (
    (((4, 6, 54, 90), 0), ((70, 10, 150, 110), 1)),
    (((10, 10, 24, 22), 1), ((40, 30, 80, 60), 0), ((90, 60, 158, 118), 0)),
    (((0, 0, 160, 120), 1),),
)
"""Boxes xyxy and labels of three images."""


class EvaluatorContract(Isolated):
    """What an evaluator of detections keeps. Subclass it, set `plugin` and `name`.

    `values` is a whole set of the protocol fields it owns, which lets scores above one half
    through; `metric` is the figure that is 1 for perfect predictions. Override `write_truth` where
    its truth is not COCO's.
    """

    plugin: ModuleType
    name: str
    values: Mapping[str, Any] = MappingProxyType({})
    metric: str = "AP"
    labels: tuple[str, ...] = ("person", "car")

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
        data = {
            "images": [
                {"id": s.id, "file_name": s.name, "height": _SIZE[0], "width": _SIZE[1]}
                for s in self.samples()
            ],
            "annotations": [{**row, "id": at} for at, row in enumerate(rows, start=1)],
            "categories": [{"id": at, "name": n} for at, n in enumerate(self.labels, start=1)],
        }
        path = folder / "truth.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    def samples(self) -> list[Sample]:
        """Three images, which need not exist."""
        return [
            Sample(id=at, name=f"image{at}.png", path=Path(f"image{at}.png"), size=_SIZE)
            for at in range(1, len(_TRUTH) + 1)
        ]

    def detections(self) -> list[Detections]:
        """What is to be found in them."""
        return [
            Detections(
                boxes=np.array([box for box, _ in boxes], np.float32),
                scores=np.linspace(0.9, 0.7, len(boxes), dtype=np.float32),
                labels=np.array([label for _, label in boxes], np.int32),
            )
            for boxes in _TRUTH
        ]

    def test_perfect_predictions_score_one(self, tmp_path: Path) -> None:
        """And every figure is a fraction or undefined."""
        metrics = self._score([found.to_arrays() for found in self.detections()], tmp_path)
        value = metrics.values.get(self.metric)
        near = value is not None and abs(value - 1) < 1e-6
        must(near, f"perfect predictions score {self.metric} {value}")
        _check_fractions(metrics)
        must(metrics.lines, "it has no line to show")

    def test_no_prediction_scores_nothing(self, tmp_path: Path) -> None:
        """Zero, without an exception."""
        nothing = [Detections.empty().to_arrays() for _ in self.samples()]
        metrics = self._score(nothing, tmp_path)
        value = metrics.values.get(self.metric)
        must(value == 0, f"no prediction at all scores {self.metric} {value}")
        _check_fractions(metrics)

    def test_wrong_predictions_score_less(self, tmp_path: Path) -> None:
        """Labels turned round and boxes moved away count for nothing."""
        for what, change in (("labels", _turned), ("boxes", _moved)):
            metrics = self._score([change(d).to_arrays() for d in self.detections()], tmp_path)
            value = metrics.values.get(self.metric)
            good = value is not None and value < 0.5
            must(good, f"wrong {what} score {self.metric} {value}")

    def test_its_own_values_are_accepted(self) -> None:
        """And their floor is a score."""
        try:
            self._evaluator().check(self.values)
            floor = self._evaluator().floor(self.values)
        except ZooError as error:
            raise AssertionError(f"it refuses its own values: {error}") from error
        must(0 <= floor <= 1, f"its floor is {floor}")

    def test_an_unknown_field_is_refused(self) -> None:
        """A misspelt field is a UsageError with a hint."""
        values, wrong = with_wrong_key(self.values)
        hinted_refusal(lambda: self._evaluator().check(values), wrong, f"field '{wrong}'")

    def test_a_wrong_value_is_refused(self) -> None:
        """Each field wants a value of its own kind: UsageError, naming the field."""
        for name in self.values:
            values = {**self.values, name: {"no": "value"}}
            error = refusal(partial(self._evaluator().check, values), UsageError, name)
            must(name in str(error), f"the refusal of a wrong {name} does not name it: {error}")

    def test_settling_is_pure(self) -> None:
        """Candidates stay as they are; twice the same gives the same."""
        settle = self._evaluator().settle
        for candidates in self._candidates():
            before = {name: array.copy() for name, array in candidates.items()}
            first, second = settle(candidates, self.values), settle(candidates, self.values)
            for name, array in before.items():
                must(np.array_equal(array, candidates[name]), f"it changes the candidates' {name}")
            must(_same(first, second), "settling the same candidates twice gives two results")

    def test_settling_keeps_what_was_found(self) -> None:
        """Clear candidates become the detections they are; none become none."""
        for candidates, expected in zip(self._candidates(), self.detections(), strict=True):
            found = self._detections(candidates)
            must(len(found) == len(expected), f"{len(found)} of {len(expected)} are kept")
            must(np.allclose(found.boxes, expected.boxes, atol=0.01), "boxes are changed")
            must(np.array_equal(found.labels, expected.labels), "labels are changed")
        nothing = self._detections(Candidates.empty(0.0, _SIZE).to_arrays())
        must(len(nothing) == 0, f"{len(nothing)} detections out of nothing")

    def test_it_writes_files(self, tmp_path: Path) -> None:
        """The same ones each time, also where nothing was found."""
        arrays = [found.to_arrays() for found in self.detections()]
        first, second = self._written(arrays, tmp_path / "a"), self._written(arrays, tmp_path / "b")
        must(any(first.values()), "it writes no file")
        folder = tmp_path / "told"
        folder.mkdir()
        try:
            self._written(arrays, folder / "files", self.write_truth(folder))
        except (ZooError, TypeError) as error:
            raise AssertionError(
                f"it does not write where it is told the truth: {error}"
            ) from error
        must(first == second, "writing the same predictions twice gives two results")
        nothing = [Detections.empty().to_arrays() for _ in self.samples()]
        must(self._written(nothing, tmp_path / "c") != first, "it writes the same without any")

    def test_it_draws_on_a_copy(self) -> None:
        """What scores above `least`, and nothing else."""
        image = np.full((*_SIZE, 3), 90, np.uint8)
        arrays = self.detections()[0].to_arrays()
        draw = self._evaluator().draw
        drawn = draw(image, arrays, self.labels, 0.5)
        must((image == 90).all(), "it draws into the image it is given")
        fits = drawn.shape == image.shape and drawn.dtype == np.uint8
        must(fits, f"the picture is {drawn.dtype} {drawn.shape}")
        must((drawn != image).any(), "it draws nothing")
        must((draw(image, arrays, self.labels, 0.99) == image).all(), "it draws what scores less")

    def _evaluator(self) -> Evaluator:
        return plugins_of(self.plugin).evaluator(self.name)

    def _score(self, arrays: Sequence[Arrays], folder: Path) -> Metrics:
        truth = self.write_truth(folder)
        return self._evaluator().score(self._listed(arrays), truth, self.labels)

    def _listed(self, arrays: Sequence[Arrays]) -> ListedPredictions:
        pairs = zip(self.samples(), arrays, strict=True)
        return ListedPredictions([Prediction(sample=s, arrays=a) for s, a in pairs])

    def _candidates(self) -> list[Arrays]:
        found: list[Arrays] = []
        for one in self.detections():
            table = np.zeros((len(one), len(self.labels)), np.float32)
            table[np.arange(len(one)), one.labels] = one.scores
            found.append(Candidates.from_dense(one.boxes, table, 0.001, _SIZE).to_arrays())
        return found

    def _detections(self, candidates: Arrays) -> Detections:
        try:
            return Detections.from_arrays(self._evaluator().settle(candidates, self.values))
        except (ZooError, KeyError) as error:
            raise AssertionError(f"it settles to no Detections.to_arrays(): {error}") from error

    def _written(
        self, arrays: Sequence[Arrays], folder: Path, truth: Path | None = None
    ) -> dict[str, bytes]:
        folder.mkdir()
        self._evaluator().write(self._listed(arrays), self.labels, folder, truth)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _check_fractions(metrics: Metrics) -> None:
    must(json.loads(json.dumps(metrics.to_data())), "its metrics are not what JSON can hold")
    for name, value in metrics.values.items():
        good = value is None or 0 <= value <= 1
        must(good, f"{name} is {value}, no fraction")


def _turned(found: Detections) -> Detections:
    return replace(found, labels=1 - found.labels)


def _moved(found: Detections) -> Detections:
    return replace(found, boxes=found.boxes + np.float32(1000))


def _same(one: Arrays, other: Arrays) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[n], other[n]) for n in one)
