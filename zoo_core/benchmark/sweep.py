"""Climbing: larger and larger values of one setting, as long as it is worth it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.errors import StageError
from zoo_core.system.tables import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LEAST_GAIN = 0.03
"""A step that gains less than this ends a ladder, whatever its noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One combination of settings and its score (more is better).

    `noise` is half the width of the score's 95 % interval, relative to it. `failure` is set where
    it could not be measured; `figures` are what a reader wants to see.
    """

    settings: Mapping[str, int]
    score: float
    noise: float
    figures: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """Points in the order they were measured, the best of them, and why each ladder ended."""

    points: list[Point]
    best: Point
    endings: dict[str, str]

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "points": [_row(point) for point in self.points],
            "best": _row(self.best),
            "endings": self.endings,
        }

    def lines(self, unit: str) -> list[str]:
        """A table, and the best point."""
        names = list(dict.fromkeys(name for point in self.points for name in point.settings))
        rows = [
            (
                *(str(point.settings.get(name, "")) for name in names),
                point.failure or f"{point.score:.3f}",
                "" if point.failure else f"+-{point.noise:.1%}",
                "best" if point is self.best else "",
            )
            for point in self.points
        ]
        ended = [f"  {name}: {why}" for name, why in self.endings.items()]
        best = ", ".join(f"{name} {value}" for name, value in self.best.settings.items())
        table = columns((*names, unit, "noise", ""), rows)
        return [*table, *ended, f"best: {best}: {self.best.score:.3f} {unit}"]


def find_best(
    ladders: Mapping[str, Sequence[int]], measure: Callable[[Mapping[str, int]], Point]
) -> SweepResult:
    """One setting after the other, each from its first value up; what is best so far is kept.

    A ladder ends with a step that gains less than its noise or 3 %, or that fails; a value is only
    better where it gains more than that. Raises StageError where the first values fail.
    """
    settings = {name: values[0] for name, values in ladders.items()}
    best = measure(settings)
    if best.failure:
        raise StageError(best.failure, where="--sweep")
    points, endings = [best], {}
    for name, values in ladders.items():
        endings[name] = "all values were tried"
        for value in values[1:]:
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
    return SweepResult(points, best, endings)


def _gain(before: Point, after: Point) -> tuple[float, float]:
    """The relative gain of a step, and what it must exceed."""
    if after.failure:
        return -1.0, 0.0
    gain = after.score / before.score - 1 if before.score else math.inf
    return gain, max(LEAST_GAIN, math.hypot(before.noise, after.noise))


def _row(point: Point) -> dict[str, Any]:
    return {
        "settings": dict(point.settings),
        "score": round(point.score, 4),
        "noise": round(point.noise, 5),
        "failure": point.failure,
        **point.figures,
    }
