"""A greedy sweep: increase one setting after the other until throughput stops improving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from zoo_core.errors import StageError
from zoo_core.system.record import Parts, Record
from zoo_core.system.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LEAST_GAIN = 0.03
"""Minimum relative gain to continue, whatever the noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(Record):
    """One combination of settings and its score (more is better).

    `noise` is half the width of the score's 95 % interval, relative to it. `failure` is set where
    it could not be measured; `latency_ms` and `steady` are None then.
    """

    settings: Mapping[str, int]
    score: float
    noise: float
    failure: str = ""
    latency_ms: float | None = None
    steady: bool | None = None

    def to_data(self) -> dict[str, Any]:
        """The JSON form, without what is None."""
        data = Record.to_data(self)
        return {name: value for name, value in data.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult(Record):
    """Points in the order they were measured, the best of them, and why each setting's sweep ended.

    `unit` and `scenario` say what a score is; `left_out` names settings that could not be swept.
    """

    parts: ClassVar[Parts] = {"points": Point, "best": Point}

    points: tuple[Point, ...]
    best: Point
    endings: Mapping[str, str]
    unit: str = ""
    scenario: str = ""
    left_out: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """A table, and the best point."""
        names = list(dict.fromkeys(name for point in self.points for name in point.settings))
        rows = [
            (
                *(str(point.settings.get(name, "")) for name in names),
                "failed" if point.failure else f"{point.score:.3f}",
                "" if point.failure else f"+-{point.noise:.1%}" if point.noise else "not known",
                point.failure or ("best" if point == self.best else ""),
            )
            for point in self.points
        ]
        endings = [f"  {name}: {why}" for name, why in self.endings.items()]
        best = ", ".join(f"{name} {value}" for name, value in self.best.settings.items())
        table = columns((*names, self.unit, "noise", ""), rows)
        head = f"sweep, {self.scenario}"
        return [head, *table, *endings, f"best: {best}: {self.best.score:.3f} {self.unit}"]


def find_best(
    values: Mapping[str, Sequence[int]], measure: Callable[[Mapping[str, int]], Point]
) -> SweepResult:
    """One setting after the other, each from its first value up; what is best so far is kept.

    A setting's sweep ends with a step that gains less than its noise or 3 %, or that fails; a value
    is only better where it gains more than that. Where the first values fail, further ones of the
    first setting are tried. Raises StageError where all of these fail.
    """
    (first, tried), *_ = values.items()
    points: list[Point] = []
    for value in tried:
        points.append(measure({**{name: each[0] for name, each in values.items()}, first: value}))
        if not points[-1].failure:
            break
    best, endings = points[-1], {}
    if best.failure:
        raise StageError(points[0].failure, where="--sweep")
    for name, each in values.items():
        endings[name] = "all values were tried"
        for value in each[len(points) if name == first else 1 :]:
            point = measure({**best.settings, name: value})
            points.append(point)
            gain, least = _gain(best, point)
            if gain > least:
                best = point
                continue
            endings[name] = point.failure or (
                f"ended at {value}: gained {gain:+.1%}, less than {least:.1%}"
            )
            break
    return SweepResult(points=tuple(points), best=best, endings=endings)


def _gain(before: Point, after: Point) -> tuple[float, float]:
    """The relative gain of a step, and what it must exceed."""
    if after.failure:
        return -1.0, 0.0
    gain = after.score / before.score - 1 if before.score else math.inf
    return gain, max(LEAST_GAIN, math.hypot(before.noise, after.noise))
