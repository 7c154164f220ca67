"""Data sets: samples, ground truth and calibration lists.

Everything named `stages` or `plan` is called while planning: it must be pure (no network, no
writing), quick, and free of heavy imports; it raises `UsageError` for what it refuses. The
functions that `Stage.run` names do the work and may import anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from zoo_core.api.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image of a data set.

    `id` is unique in the data set and JSON-able (COCO's image id, or the path relative to the
    folder). `name` is the file name relative to the images' folder. `size` is (height, width) as
    the annotation states it, None where nothing does.
    """

    id: int | str
    name: str
    path: Path
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A range of samples [start, stop) in the data set's order, and a digest of their content."""

    start: int
    stop: int
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """Which data: `purpose` is evaluate, calibrate or predict; `limit` None means all of it.

    `images` and `annotations` are given by the user for data sets that take a folder. `others`
    finds another data set by its name, for a set that is made of it, or raises `UsageError`.
    """

    purpose: str
    images: Path | None = None
    annotations: Path | None = None
    limit: int | None = None
    others: Callable[[str], Dataset] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlan:
    """A data set as a plan sees it.

    `kind` is published, given or sample. `stages` bring the data (none where it lies there);
    `inputs` and `locations` say where reading finds it, as in `Stage`. `shards` cover the chosen
    samples in order; `count` is their number and `of` that of the whole set. `content` digests the
    whole choice including its truth.
    """

    dataset: str
    kind: str
    stages: tuple[Stage, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    locations: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    shards: tuple[Shard, ...]
    count: int
    of: int
    content: str
    has_truth: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DataView:
    """A `DataPlan` whose stages have run: `paths` holds its inputs and locations by argument."""

    paths: Mapping[str, Path]
    params: Mapping[str, Any]


class Dataset(Protocol):
    """Samples, truth and calibration lists, in a fixed order."""

    task: str

    def plan(self, request: DataRequest) -> DataPlan:
        """Raises `DataError` for files that are missing or do not fit together."""

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Samples [start, stop) of the set's order; raises `DataError` for a missing image."""

    def truth(self, view: DataView) -> Path:
        """The truth's file, in the form the task's evaluator reads."""
