"""Decoders and evaluators: from output tensors to candidates, predictions and metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from zoo_core.api.dataset import Sample
    from zoo_core.api.graph import Arrays
    from zoo_core.vision.geometry import Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringProtocol:
    """A named, hashed set of evaluation settings.

    `values` holds preprocessing overrides (`resize`, `interpolation`, `pad`, `rounding`) and the
    fields that the task's evaluator defines. `base` is the protocol it was derived from, or None.
    `unknown` names fields that the publisher did not state; `note` says what was assumed.
    """

    name: str
    task: str
    values: Mapping[str, Any]
    base: str | None = None
    unknown: tuple[str, ...] = ()
    note: str = ""

    @property
    def hash(self) -> str:
        """Digest of task and values; the name does not enter it."""
        from zoo_core.system.hashing import digest

        return digest({"task": self.task, "values": dict(self.values)})


Decode: TypeAlias = "Callable[[Arrays, Geometry], Arrays]"
"""One image's outputs (no batch axis) -> its candidates, in pixels of the image as read."""


class Decoder(Protocol):
    """Turns output tensors into candidates: pure, float32, no threshold except the floor."""

    task: str

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function for a card's parameters; raises `UsageError` for invalid ones.

        For detection that function returns `Candidates.to_arrays()`. Candidates that score below
        `floor` may be dropped.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One image's postprocessed prediction (for detection, `Detections.to_arrays()`)."""

    sample: Sample
    arrays: Arrays


class Predictions(Protocol):
    """Predictions of a data set, read image by image; may be iterated several times."""

    def __iter__(self) -> Iterator[Prediction]: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Metrics in order: fractions by name, None if undefined; `lines` is their text form.

    `warnings` say what would mislead a reader of the figures, one sentence each.
    """

    values: Mapping[str, float | None]
    lines: tuple[str, ...] = ()
    per_class: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "values": dict(self.values),
            "lines": list(self.lines),
            "per_class": {name: dict(row) for name, row in self.per_class.items()},
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Metrics:
        """The inverse of `to_data`."""
        return cls(
            values=data["values"],
            lines=tuple(data["lines"]),
            per_class=data["per_class"],
            warnings=tuple(data.get("warnings", ())),
        )


class Evaluator(Protocol):
    """Computes metrics from predictions and ground truth; defines its task's protocol fields.

    The attribute `viewing`, if an evaluator has it, maps protocol fields to the values of
    `zoo predict`, where people look at the predictions; they replace those of a card's protocol,
    not those of a protocol or an option that the user names. `shown`, if it has it, is the score
    above which they are drawn and listed; by default these are all that the protocol lets through.
    An evaluator that finds labels in the ground truth can also be `MatchesLabels`.
    """

    task: str

    versions: tuple[str, ...]
    """Distributions whose version the metrics depend on."""

    def check(self, values: Mapping[str, Any]) -> None:
        """Check protocol values; raises `UsageError` for an unknown field or invalid value."""

    def floor(self, values: Mapping[str, Any]) -> float:
        """The lowest score threshold of these values; decoders keep candidates above it."""

    def postprocess(self, candidates: Arrays, values: Mapping[str, Any]) -> Arrays:
        """Apply the protocol to one image's candidates: thresholds, NMS, top-k.

        The breakdown of `zoo bench` names this step by the attribute `postprocess_label`, if the
        evaluator has it, else "postprocess".
        """

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The task's metrics: 0.0 if there is no prediction, None where a metric is undefined.

        If the evaluator has the attribute `metrics`, the names of all metrics, `--min-metric` is
        checked against it before the run.
        """

    def write(
        self,
        predictions: Predictions,
        labels: Sequence[str],
        folder: Path,
        truth: Path | None = None,
    ) -> None:
        """Write the predictions to `folder` in the file formats that are usual for the task.

        `truth` is the ground truth or None; ids and category names are taken from it.
        """

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """The image (uint8 H x W x 3, RGB) with predictions that score above `least` drawn."""


@runtime_checkable
class ReweightsImages(Protocol):
    """Optional protocol of an evaluator whose metrics can be had for other weights of the images.

    zoo draws samples of the images with it, which give a metric's interval and that of the
    difference of two runs.
    """

    def reweighted(
        self,
        predictions: Predictions,
        truth: Path,
        labels: Sequence[str],
        weights: NDArray[np.float64],
    ) -> Mapping[str, NDArray[np.float64]]:
        """Each metric of `score`, float64 [R], for R rows of weights, float64 [R, images].

        Columns are in the order of `predictions`; an image of weight 2 counts as two images, one of
        weight 0 is left out. NaN where a metric is undefined. Metrics that `score` lacks, such as
        those of a class, are called "metric/class".
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Substituted:
    """One image's candidates with a part of another run's; `lacking` of `rows` keep their own."""

    arrays: Arrays
    rows: int
    lacking: int


@runtime_checkable
class SubstitutesParts(Protocol):
    """Optional protocol of an evaluator that can tell which part of a network's output got worse.

    zoo scores each mixture, so that a loss is split into what each part loses.
    """

    def substituted(self, reference: Arrays, measured: Arrays) -> Mapping[str, Substituted]:
        """One image's candidates of a reference, by part with that part of the measured run.

        Parts of an equal run give the reference itself. Raises `UsageError` where the candidates of
        two runs cannot be paired.
        """


@runtime_checkable
class MatchesLabels(Protocol):
    """Optional protocol of an evaluator that compares labels with ground truth before a run."""

    def match(self, labels: Sequence[str], classes: Mapping[str, bool]) -> tuple[str, ...]:
        """What one of the two has and the other has not: one sentence each, with counts and names.

        `classes` are those of a `DataPlan`; the planner calls this if a plan has some, and `score`
        returns the same sentences in `Metrics.warnings`. Raises `DataError` if nothing matches.
        """
