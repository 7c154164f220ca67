"""Where the time of one image goes: each step of its way, timed on real images one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.benchmark.result import milli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from zoo_core.benchmark.series import Clock

Step = tuple[str, "Callable[[Any], Any]"]
"""A name, and what makes of one step's result the next one's argument."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Seconds of each step on each image, float64 [images], by the step's name in order."""

    seconds: Mapping[str, NDArray[np.float64]]

    @property
    def images(self) -> int:
        """How many were timed."""
        return len(next(iter(self.seconds.values())))

    @property
    def end_to_end(self) -> float:
        """The median of whole images, in seconds; medians of steps need not add up to it."""
        return float(np.median(sum(self.seconds.values())))

    def to_data(self) -> dict[str, Any]:
        """The JSON form; shares are those of the summed times."""
        total = float(sum(part.sum() for part in self.seconds.values())) or 1.0
        steps = [
            {
                "step": name,
                "median_ms": milli(float(np.median(part)) * 1e3),
                "share": round(float(part.sum()) / total, 4),
            }
            for name, part in self.seconds.items()
        ]
        return {
            "images": self.images,
            "end_to_end_ms": milli(self.end_to_end * 1e3),
            "steps": steps,
        }

    def lines(self) -> list[str]:
        """The steps for a terminal."""
        data = self.to_data()
        names = max(len(step["step"]) for step in data["steps"])
        return [
            f"one image after the other, {data['images']} images",
            *(
                f"  {step['step']:<{names}}  {step['median_ms']:9.3f} ms  {step['share']:6.1%}"
                for step in data["steps"]
            ),
            f"  {'end to end':<{names}}  {data['end_to_end_ms']:9.3f} ms",
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
    return Breakdown({name: table[:, at] for at, (name, _) in enumerate(steps)})


def _walk(item: Any, steps: list[Step], clock: Clock) -> list[float]:
    times = []
    for _, step in steps:
        before = clock()
        item = step(item)
        times.append(clock() - before)
    return times
