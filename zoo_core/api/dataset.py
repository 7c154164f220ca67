"""Data sets: samples, ground truth and calibration lists.

The planner calls `stages` and `plan`. They must be pure (no network access, no writing), fast and
free of heavy imports, and raise `UsageError` for requests that they do not support. The functions
that `Stage.run` names do the work and may import anything.
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

    `id` is unique in the data set and can be written as JSON (COCO's image id, or the path relative
    to the folder). `name` is the file name relative to the image folder. `size` is (height, width)
    as in the annotation, or None if the annotation does not state it.
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
    """Which data to plan.

    `purpose` is `evaluate`, `calibrate` or `predict`. `images` and `annotations` are the user's
    paths, for data sets that read a folder; `further` are images or folders beside `images`, for
    those that read several. `limit` is the number of samples; None means all. `labels` are the
    class names that the user gives, for labels that are numbers; empty if none. `exif` is whether
    images will be read as their EXIF orientation turns them. `others` returns another data set by
    name, for a data set that is derived from it; it raises `UsageError` for an unknown name.
    """

    purpose: str
    images: Path | None = None
    annotations: Path | None = None
    further: tuple[Path, ...] = ()
    limit: int | None = None
    labels: tuple[str, ...] = ()
    exif: bool = True
    others: Callable[[str], Dataset] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlan:
    """A data set in a plan.

    `kind` is `published`, `given` (by the user) or `sample`. `stages` fetch or draw the data; there
    are none if it is already on disk. `inputs` and `locations` say where the data is, as in
    `Stage`. `shards` cover the selected samples in order; `count` is their number, `of` the size of
    the whole set. `content` is a digest of the selection, ground truth included. `warnings` say
    what was left out or assumed, one sentence each, with counts. `classes` are the names of the
    classes in the ground truth, as the evaluator finds them there, and whether an object of the
    whole set is of the class; empty if that is not known while planning.
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
    warnings: tuple[str, ...] = ()
    classes: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataView:
    """A `DataPlan` whose stages have run; `paths` maps its inputs and locations to paths."""

    paths: Mapping[str, Path]
    params: Mapping[str, Any]


class Dataset(Protocol):
    """Samples and their ground truth, in a fixed order.

    A data set of the user's files may have a method `reads(annotations: Path) -> bool`: whether the
    file or folder of `--annotations` is in its form. It looks at names and beginnings only. The
    planner asks the card's `given_dataset` first, then the other data sets of the card's task.
    One whose ground truth serves several tasks names all of them in the attribute `tasks`.
    """

    task: str

    def plan(self, request: DataRequest) -> DataPlan:
        """The plan of a request; raises `DataError` for missing or inconsistent files."""

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Samples [start, stop) in the set's order; raises `DataError` for a missing image."""

    def truth(self, view: DataView) -> Path:
        """The file of the ground truth, in the format that the task's evaluator reads."""


def tasks_of(dataset: Dataset) -> tuple[str, ...]:
    """The tasks whose evaluators read the ground truth of a data set."""
    tasks: tuple[str, ...] = getattr(dataset, "tasks", (dataset.task,))
    return tasks
