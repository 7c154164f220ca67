"""Histograms that grow by doubling their bins, so that merging is exact and order plays no part."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF = 2048
"""Bins on either side of zero."""

_BITS = 11  # 2 ** 11 == HALF
_SMALLEST = -111
_AT_ONCE = 1 << 22  # far below the 2 ** 24 up to which float32, which OpenCV returns, counts


@dataclass(slots=True)
class Histogram:
    """Counts of values in bins [i w, (i + 1) w), i from -2048 to 2047, where w = 2 ** exponent.

    The width only ever doubles, which merges bins in pairs, and is in the end the smallest power
    of two that holds the largest value seen: the same counts whatever the order of the values,
    and division by w is exact, so no value is ever on the wrong side of an edge.
    """

    exponent: int = _SMALLEST
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2 * HALF, np.int64))

    @property
    def width(self) -> float:
        """The width of a bin, in the values' unit."""
        return math.ldexp(1.0, self.exponent)

    def add(self, values: NDArray[np.float32], largest: float) -> None:
        """Count finite float32 values of any shape; `largest` bounds their magnitudes."""
        self._widen(max(self.exponent, math.frexp(largest)[1] - _BITS))
        edge = HALF * self.width
        flat = values.reshape(1, -1)
        for start in range(0, flat.shape[1], _AT_ONCE):
            part = flat[:, start : start + _AT_ONCE]
            counts = cv2.calcHist([part], [0], None, [2 * HALF], [-edge, edge])
            self.counts += counts.reshape(-1).astype(np.int64)

    def merged(self, other: Histogram) -> Histogram:
        """The counts of both, as of one histogram that was given all values."""
        wide = max(self.exponent, other.exponent)
        parts = [Histogram(each.exponent, each.counts.copy()) for each in (self, other)]
        for part in parts:
            part._widen(wide)
        return Histogram(wide, parts[0].counts + parts[1].counts)

    def magnitudes(self) -> NDArray[np.int64]:
        """Counts of |x| in bins [i w, (i + 1) w), i from 0 to 2047."""
        return self.counts[HALF:] + self.counts[HALF - 1 :: -1]

    def _widen(self, exponent: int) -> None:
        if exponent == self.exponent:
            return
        bins = np.arange(-HALF, HALF) >> min(exponent - self.exponent, 62)
        merged = np.zeros_like(self.counts)
        np.add.at(merged, bins + HALF, self.counts)
        self.counts, self.exponent = merged, exponent
