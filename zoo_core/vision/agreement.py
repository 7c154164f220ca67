"""How far two predictions of one image agree; it imports nothing of zoo, for packages use it too.

Rounding differs between processors and versions of an engine, and near the protocol's threshold a
detection then comes or goes. So detections agree where each that scores `SURE` or more has a
partner of its label, and all partners lie within the tolerances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

EQUAL = "equal"
WITHIN = "within tolerance"
DIFFERENT = "different"

PIXELS = 1.0
"""Most that an edge of a box may move."""

SCORE = 0.01
"""Most that a score may change."""

SURE = 0.05
"""Detections below this score may come and go."""

_LOOK = 4.0
"""Pixels within which a partner is looked for."""


@dataclass(frozen=True)
class Agreement:
    """The verdict, and the largest differences of matched detections or numbers.

    `before` and `after` count detections, `matched` pairs of them; None for other tasks.
    """

    status: str
    pixels: float = 0.0
    score: float = 0.0
    before: int | None = None
    after: int | None = None
    matched: int | None = None


def agreement(before: Arrays, after: Arrays) -> Agreement:
    """Compare predictions: boxes with scores and labels, else arrays number by number."""
    same = before.keys() == after.keys() and all(
        np.array_equal(array, after[name]) for name, array in before.items()
    )
    if {"boxes", "scores", "labels"} <= before.keys() & after.keys():
        return _boxes(before, after, same)
    if same:
        return Agreement(EQUAL)
    alike = before.keys() == after.keys() and all(
        array.shape == after[name].shape for name, array in before.items()
    )
    if not alike:
        return Agreement(DIFFERENT, score=np.inf)
    worst = max(_distance(array, after[name]) for name, array in before.items())
    return Agreement(WITHIN if worst <= SCORE else DIFFERENT, score=worst)


def _distance(before: NDArray[Any], after: NDArray[Any]) -> float:
    """The largest difference of floats, the share of other whole numbers that are not equal."""
    if before.dtype.kind == "f":
        return float(np.abs(before - after).max(initial=0))
    return float((before != after).mean()) if before.size else 0.0


def _boxes(before: Arrays, after: Arrays, same: bool) -> Agreement:
    one, other = _partners(before, after)
    moved = before["boxes"][one] - after["boxes"][other]
    changed = before["scores"][one] - after["scores"][other]
    pixels, score = (float(np.abs(part).max(initial=0)) for part in (moved, changed))
    lost = np.delete(before["scores"], one).max(initial=0)
    new = np.delete(after["scores"], other).max(initial=0)
    fine = pixels <= PIXELS and score <= SCORE and max(lost, new) < SURE
    status = EQUAL if same else WITHIN if fine else DIFFERENT
    counts = (len(before["scores"]), len(after["scores"]), len(one))
    return Agreement(status, pixels, score, *counts)


def _partners(before: Arrays, after: Arrays) -> tuple[list[int], list[int]]:
    """Rows of each that belong together: by label, the best score first takes the nearest box."""
    one: list[int] = []
    other: list[int] = []
    free = np.ones(len(after["scores"]), bool)
    for row in np.argsort(-before["scores"], kind="stable").tolist():
        near = np.flatnonzero(free & (after["labels"] == before["labels"][row]))
        far = np.abs(after["boxes"][near] - before["boxes"][row]).max(axis=1, initial=0)
        if len(near) and far.min() <= _LOOK:
            best = int(near[far.argmin()])
            free[best] = False
            one.append(row)
            other.append(best)
    return one, other
