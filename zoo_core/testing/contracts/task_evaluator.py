"""The contract of an evaluator of any task: perfect scores best, less scores less, all is pure."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo_core.api import Metrics, Prediction, Sample
from zoo_core.errors import UsageError, ZooError
from zoo_core.testing.contracts.arrays import check_storable, copied, same
from zoo_core.testing.contracts.base import Contract
from zoo_core.testing.contracts.checks import hinted_refusal, must, refusal, with_wrong_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import Arrays, Evaluator

_CLOSE = 1e-6
_FRACTION = (0.0, 1.0)


class TaskEvaluatorContract(Contract):
    """What an evaluator of any task keeps. Subclass it, set `plugin`, `name`, `task` and `metric`.

    `values` is a whole set of the protocol fields it owns. `metric` is the figure that is `best`
    for perfect predictions and `worst` where nothing is detected (None: only less good); wrong
    predictions are further than `margin` from the best. `ranges` holds (least, most) of each figure
    that is not from 0 to 1. `least` is the score above which things are drawn, `size` (height,
    width) of the images. Override `write_truth`, `perfect` and `nothing`, and what else does not
    fit. For detection there is `EvaluatorContract`.
    """

    kind: ClassVar[str] = "evaluator"
    task: str
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

    def test_its_task_is_the_one_said(self) -> None:
        """The word that its cards, data sets and decoders use."""
        must(self._evaluator().task == self.task, f"its task is '{self._evaluator().task}'")

    def test_perfect_predictions_score_best(self, tmp_path: Path) -> None:
        """Every figure is a fraction, in its range or undefined, and there is a line to show."""
        metrics = self._score(self.perfect(), tmp_path)
        far = self._from_best(metrics)
        good = far is not None and far < _CLOSE
        must(good, f"perfect predictions score {self._figure(metrics)}, not {self.best}")
        self._check_figures(metrics)
        must(metrics.lines, "it has no line to show")

    def test_nothing_detected_scores_less(self, tmp_path: Path) -> None:
        """The worst figure, without an exception."""
        metrics = self._score(self.nothing(), tmp_path)
        value = metrics.values.get(self.metric)
        if self.worst is None:
            good = value is not None and abs(value - self.best) > _CLOSE
        else:
            good = value == self.worst
        must(good, f"where nothing is detected it scores {self._figure(metrics)}")
        self._check_figures(metrics)

    def test_wrong_predictions_score_less(self, tmp_path: Path) -> None:
        """By more than the margin."""
        for what, arrays in self.wrong().items():
            metrics = self._score(arrays, tmp_path)
            far = self._from_best(metrics)
            good = far is not None and far > self.margin
            must(good, f"wrong {what} score {self._figure(metrics)}")

    def test_the_order_of_samples_does_not_matter(self, tmp_path: Path) -> None:
        """Predictions go to their truth by the sample, not by their place."""
        arrays = [self.nothing()[0], *self.perfect()[1:]]
        pairs = list(self._listed(arrays))
        there, back = (self._metrics(rows, tmp_path) for rows in (pairs, pairs[::-1]))
        for name, value in there.values.items():
            other = back.values.get(name)
            must(_alike(value, other), f"{name} is {value}, with the samples turned round {other}")

    def test_scoring_is_pure(self, tmp_path: Path) -> None:
        """Predictions stay as they are; twice the same gives the same."""
        arrays = self.perfect()
        before = [copied(row) for row in arrays]
        first, second = self._score(arrays, tmp_path), self._score(arrays, tmp_path)
        for row, kept in zip(arrays, before, strict=True):
            must(same(row, kept), "scoring changes the predictions")
        must(first == second, "scoring the same predictions twice gives two results")

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

    def test_postprocessing_is_pure(self) -> None:
        """Candidates stay as they are; twice the same gives the same."""
        postprocess = self._evaluator().postprocess
        for candidates in self.candidates():
            before = copied(candidates)
            first, second = (
                copied(postprocess(candidates, self.values)),
                postprocess(candidates, self.values),
            )
            for name, array in before.items():
                must(np.array_equal(array, candidates[name]), f"it changes the candidates' {name}")
            must(same(first, second), "postprocessing the same candidates twice gives two results")

    def test_postprocessed_candidates_score_best(self, tmp_path: Path) -> None:
        """Clear candidates become what `score` reads, and none is lost."""
        metrics = self._score(self._postprocessed(), tmp_path)
        far = self._from_best(metrics)
        good = far is not None and far < _CLOSE
        must(good, f"postprocessed candidates score {self._figure(metrics)}")

    def test_predictions_can_be_stored(self, tmp_path: Path) -> None:
        """Arrays of plain dtypes, with the same names and dtypes for every image."""
        check_storable(self._postprocessed(), tmp_path, "predictions")

    def test_it_writes_files(self, tmp_path: Path) -> None:
        """The same ones each time, also where nothing is detected."""
        arrays = self.perfect()
        first, second = self._written(arrays, tmp_path / "a"), self._written(arrays, tmp_path / "b")
        must(any(first.values()), "it writes no file")
        folder = tmp_path / "with-truth"
        folder.mkdir()
        try:
            self._written(arrays, folder / "files", self.write_truth(folder))
        except (ZooError, TypeError) as error:
            raise AssertionError(
                f"it does not write where it gets the ground truth: {error}"
            ) from error
        must(first == second, "writing the same predictions twice gives two results")
        nothing = self._written(self.nothing(), tmp_path / "c")
        must(nothing != first, "it writes the same without any")

    def test_it_draws_on_a_copy(self) -> None:
        """A picture of the same size, with something on it."""
        image = self._image()
        drawn = self._evaluator().draw(image, self._drawable(), self.labels, self.least)
        must((image == self._image()).all(), "it draws into the image itself")
        fits = drawn.shape == image.shape and drawn.dtype == np.uint8
        must(fits, f"the picture is {drawn.dtype} {drawn.shape}")
        must((drawn != image).any(), "it draws nothing")

    def _evaluator(self) -> Evaluator:
        return self._plugins().evaluator(self.name)

    def _score(self, arrays: Sequence[Arrays], folder: Path) -> Metrics:
        return self._metrics(self._listed(arrays), folder)

    def _metrics(self, predictions: Sequence[Prediction], folder: Path) -> Metrics:
        truth = self.write_truth(folder)
        return self._evaluator().score(predictions, truth, self.labels)

    def _listed(self, arrays: Sequence[Arrays]) -> list[Prediction]:
        pairs = zip(self.samples(), arrays, strict=True)
        return [Prediction(sample=s, arrays=a) for s, a in pairs]

    def _postprocessed(self) -> list[Arrays]:
        postprocess = self._evaluator().postprocess
        return [postprocess(candidates, self.values) for candidates in self.candidates()]

    def _image(self) -> Any:
        return np.full((*self.size, 3), 90, np.uint8)

    def _drawable(self) -> Arrays:
        return self.perfect()[0]

    def _written(
        self, arrays: Sequence[Arrays], folder: Path, truth: Path | None = None
    ) -> dict[str, bytes]:
        folder.mkdir()
        self._evaluator().write(self._listed(arrays), self.labels, folder, truth)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    def _figure(self, metrics: Metrics) -> str:
        return f"{self.metric} {metrics.values.get(self.metric)}"

    def _from_best(self, metrics: Metrics) -> float | None:
        value = metrics.values.get(self.metric)
        return None if value is None else abs(value - self.best)

    def _check_figures(self, metrics: Metrics) -> None:
        must(json.loads(json.dumps(metrics.to_data())), "its metrics are not what JSON can hold")
        for name, value in metrics.values.items():
            least, most = self.ranges.get(name, _FRACTION)
            what = f"not from {least:g} to {most:g}" if name in self.ranges else "not a fraction"
            must(value is None or least <= value <= most, f"{name} is {value}, {what}")


def _alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < _CLOSE
