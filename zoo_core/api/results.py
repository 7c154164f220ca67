"""Samples that go in, and the figures that come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
