"""Where the time of one image goes: each step of its way, timed on real images one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo_core.benchmark.result import milli
from zoo_core.system.record import Parts, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zoo_core.benchmark.series import Clock

Step = tuple[str, "Callable[[Any], Any]"]
"""A name, and what makes of one step's result the next one's argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime(Record):
    """A step's median over the images, and its share of the sum of all steps' medians."""

    step: str
    median_ms: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown(Record):
    """Where the time of an image goes.

    `end_to_end_ms` is the median of whole images; medians of steps need not add up to it.
    """

    parts: ClassVar[Parts] = {"steps": StepTime}

    images: int
    end_to_end_ms: float
    steps: tuple[StepTime, ...]

    def lines(self) -> list[str]:
        """The steps for a terminal."""
        width = max(len(row.step) for row in self.steps)
        return [
            f"one image after the other, medians of {self.images} images",
            *(
                f"  {row.step:<{width}}  {row.median_ms:9.3f} ms  {row.share:6.1%}"
                for row in self.steps
            ),
            f"  {'end to end':<{width}}  {self.end_to_end_ms:9.3f} ms",
        ]


def break_down(items: Iterable[Any], steps: list[Step], clock: Clock, seconds: float) -> Breakdown:
    """Times the steps on each item; the first item also warms up. Raises ValueError without items.

    Ends after `seconds` where five items have been timed.
    """
    rows: list[list[float]] = []
    began: float | None = None
    for item in items:
        if began is None:
            _walk(item, steps, clock)
            began = clock()
        elif len(rows) >= 5 and clock() - began > seconds:
            break
        rows.append(_walk(item, steps, clock))
    if not rows:
        raise ValueError("no items")
    table = np.array(rows)
    medians = np.median(table, axis=0).tolist()
    whole = sum(medians) or 1.0
    return Breakdown(
        images=len(rows),
        end_to_end_ms=milli(float(np.median(table.sum(axis=1)))),
        steps=tuple(
            StepTime(step=name, median_ms=milli(median), share=round(median / whole, 4))
            for (name, _), median in zip(steps, medians, strict=True)
        ),
    )


def _walk(item: Any, steps: list[Step], clock: Clock) -> list[float]:
    times = []
    for _, step in steps:
        before = clock()
        item = step(item)
        times.append(clock() - before)
    return times
