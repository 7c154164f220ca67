"""The evaluator `topk`: the share of images whose class is the best, or among the best five."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_classification.files import write_csv, write_json
from zoo_classification.picture import labelled
from zoo_classification.truth import class_numbers, true_class
from zoo_core.api import Metrics
from zoo_core.errors import UsageError, check_known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Predictions

_MOST = 5


class TopK:
    """Settled predictions are `labels` int32 [n] and `scores` float32 [n], the best first."""

    task = "classification"
    versions: tuple[str, ...] = ("numpy",)
    metrics: tuple[str, ...] = ("top1", "top5")
    shown = 0.25
    """Of the classes that are kept, those that are sure enough to be named on a picture."""

    def check(self, values: Mapping[str, Any]) -> None:
        """The one field is `keep`: how many classes of an image are kept, at least 5."""
        check_known(values, ("keep",), "protocol")
        keep = values.get("keep", _MOST)
        if type(keep) is not int or keep < _MOST:
            step = "top-5 needs five"
            raise UsageError(f"keep must be at least {_MOST}, is {keep!r}", next=step)

    def floor(self, values: Mapping[str, Any]) -> float:
        """Classes are kept by their order, not by a score."""
        return 0.0

    def postprocess(self, candidates: Arrays, values: Mapping[str, Any]) -> Arrays:
        """The best classes; among equal scores the one that comes first among the labels."""
        scores = candidates["scores"]
        order = np.argsort(-scores, kind="stable")[: values.get("keep", _MOST)]
        return {"labels": order.astype(np.int32), "scores": scores[order]}

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """top1 and top5 over the images that were predicted, and top1 of each class."""
        wanted, best, among = _hits(predictions, truth, labels)
        values = {"top1": _share(best), "top5": _share(among)}
        per_class = {
            label: {"top1": _share(best[wanted == number])} for number, label in enumerate(labels)
        }
        return Metrics(values=values, lines=_lines(values, len(among)), per_class=per_class)

    def reweighted(
        self,
        predictions: Predictions,
        truth: Path,
        labels: Sequence[str],
        weights: NDArray[np.float64],
    ) -> Mapping[str, NDArray[np.float64]]:
        """top1, top5, and each class's top1 ("top1/cat"), for weights of the images."""
        wanted, best, among = _hits(predictions, truth, labels)
        rows = {"top1": _weighted(best, weights), "top5": _weighted(among, weights)}
        for number, label in enumerate(labels):
            own = wanted == number
            rows[f"top1/{label}"] = _weighted(best[own], weights[:, own])
        return rows

    def write(
        self,
        predictions: Predictions,
        labels: Sequence[str],
        folder: Path,
        truth: Path | None = None,
    ) -> None:
        """Leaves predictions.csv (the best class of each image) and predictions.json (all kept)."""
        write_csv(predictions, labels, folder / "predictions.csv")
        write_json(predictions, labels, folder / "predictions.json")

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A copy of the image under lines with the classes that score above `least`."""
        return labelled(image, _best(prediction, labels, least))

    def describe(self, prediction: Arrays, labels: Sequence[str], least: float) -> str:
        """The classes that score above `least`, the best first."""
        return ", ".join(_best(prediction, labels, least)) or "nothing sure"


def _best(prediction: Arrays, labels: Sequence[str], least: float) -> list[str]:
    pairs = zip(prediction["labels"].tolist(), prediction["scores"].tolist(), strict=True)
    return [f"{labels[label]} {score:.2f}" for label, score in pairs if score > least]


def _hits(
    predictions: Predictions, truth: Path, labels: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each image the true class, whether it is the best, whether it is among the best five."""
    numbers = class_numbers(truth, labels)
    rows = []
    for prediction in predictions:
        wanted = true_class(prediction.sample, numbers, str(truth))
        found = prediction.arrays["labels"][:_MOST]
        rows.append((wanted, (found[:1] == wanted).any(), (found == wanted).any()))
    table = np.array(rows, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1].astype(bool), table[:, 2].astype(bool)


def _share(hits: NDArray[np.bool_]) -> float | None:
    return float(hits.sum() / len(hits)) if len(hits) else None


def _weighted(hits: NDArray[np.bool_], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of hits [n] for each row of weights [R, n]; NaN for a row without weight."""
    total = weights.sum(axis=1)
    share = np.full(len(weights), np.nan)
    return np.asarray(np.divide(weights @ hits, total, out=share, where=total > 0))


def _lines(values: Mapping[str, float | None], count: int) -> tuple[str, ...]:
    shown = {name: "-" if value is None else f"{value:.4f}" for name, value in values.items()}
    return (
        f" Accuracy (top-1) @[ images = {count} ] = {shown['top1']}",
        f" Accuracy (top-5) @[ images = {count} ] = {shown['top5']}",
    )
