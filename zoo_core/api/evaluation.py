"""Decoders and evaluators: from output tensors to candidates, predictions and metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api.dataset import Sample
    from zoo_core.api.graph import Arrays
    from zoo_core.vision.geometry import Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringProtocol:
    """A named, hashed set of scoring choices.

    `values` holds the preprocessing overrides (`resize`, `interpolation`, `pad`, `rounding`) and
    the fields that the task's evaluator owns. `base` is the protocol it was derived from, or None.
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
        """Digest of task and values, whatever the name."""
        from zoo_core.system.hashing import digest

        return digest({"task": self.task, "values": dict(self.values)})


Decode: TypeAlias = "Callable[[Arrays, Geometry], Arrays]"
"""One image's outputs (no batch axis) -> its candidates, in the pixels of the image as read."""


class Decoder(Protocol):
    """Tensors become candidates: pure, float32, no threshold but the floor."""

    task: str

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function for a card's parameters; raises `UsageError` for wrong ones.

        For detection it returns `Candidates.to_arrays()`. `floor` is the score below which
        candidates need not be kept.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One image's settled prediction (for detection, `Detections.to_arrays()`)."""

    sample: Sample
    arrays: Arrays


class Predictions(Protocol):
    """Predictions of a data set, read from the store image by image, as often as wanted."""

    def __iter__(self) -> Iterator[Prediction]: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Figures in order: fractions by name, None where undefined; `lines` is how they are shown."""

    values: Mapping[str, float | None]
    lines: tuple[str, ...] = ()
    per_class: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "values": dict(self.values),
            "lines": list(self.lines),
            "per_class": {name: dict(row) for name, row in self.per_class.items()},
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Metrics:
        """The inverse of `to_data`."""
        return cls(values=data["values"], lines=tuple(data["lines"]), per_class=data["per_class"])


class Evaluator(Protocol):
    """Predictions and truth become metrics; owns the protocol fields of its task."""

    task: str

    versions: tuple[str, ...]
    """Distributions whose version its figures depend on."""

    def check(self, values: Mapping[str, Any]) -> None:
        """Raises `UsageError` for an unknown field or a value out of range."""

    def floor(self, values: Mapping[str, Any]) -> float:
        """The lowest score that these values let through; decoders keep what is above."""

    def postprocess(self, candidates: Arrays, values: Mapping[str, Any]) -> Arrays:
        """Apply the protocol to one image's candidates.

        `zoo bench` calls this step by an attribute `postprocess_label`, else "postprocess".
        """

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The task's metrics; no prediction at all scores 0.0, undefined ones are None."""

    def write(
        self,
        predictions: Predictions,
        labels: Sequence[str],
        folder: Path,
        truth: Path | None = None,
    ) -> None:
        """Leave the predictions in the field's own file formats in `folder`.

        `truth` is given where there is one, for ids and names that belong to it.
        """

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """The image (uint8 H x W x 3, RGB) with what scores above `least` drawn on it."""
