"""How the range that a tensor is quantised in is chosen from what was seen of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo_onnxruntime.affine import BYTE_MAX, activation
from zoo_onnxruntime.histogram import HALF, Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_onnxruntime.activations import Activation, Function

_SHARES = np.geomspace(1.0, 0.02, 40)
_TURNS = 2

LEVELS = 128
"""Quantised levels of one sign, as the entropy calibrator counts them."""


@dataclass(slots=True)
class Seen:
    """The lowest and highest value of a tensor so far, and its histogram where one is kept."""

    low: float = math.inf
    high: float = -math.inf
    histogram: Histogram | None = None

    def add(self, values: NDArray[np.float32]) -> bool:
        """Take in one tensor; False, with nothing taken, where it holds NaN or infinities."""
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            return False
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self.histogram is not None:
            self.histogram.add(values, max(-low, high))
        return True

    def merged(self, other: Seen) -> Seen:
        """What both have seen; each of them has seen something, and keeps a histogram or none."""
        mine, theirs = self.histogram, other.histogram
        both = mine.merged(theirs) if mine and theirs else None
        return Seen(min(self.low, other.low), max(self.high, other.high), both)


def choose_all(
    seen: Mapping[str, Seen],
    calibrator: str,
    percentile: float | None,
    follows: Mapping[str, Activation],
) -> dict[str, tuple[float, float]]:
    """A range for each tensor; `follows` are the activations that alone read some of them.

    What an activation makes next to no difference of needs no steps.
    """
    ranges = {}
    for name, each in seen.items():
        after = follows.get(name)
        if calibrator == "mse":
            found = least_error(each, after.function if after else None)
        else:
            found = choose(each, calibrator, percentile)
        ranges[name] = after.within(*found) if after else found
    return ranges


def choose(seen: Seen, calibrator: str, percentile: float | None) -> tuple[float, float]:
    """The range (low, high) by a calibrator's canonical name; never wider than what was seen.

    `percentile`, in percent, is the share kept by the calibrator of that name.
    """
    if calibrator == "minmax" or seen.histogram is None:
        return seen.low, seen.high
    if calibrator == "percentile":
        low, high = percentile_range(seen.histogram, 100.0 if percentile is None else percentile)
    else:
        high = entropy_threshold(seen.histogram.magnitudes()) * seen.histogram.width
        low = -high
    return max(low, seen.low), min(high, seen.high)


def least_error(seen: Seen, function: Function | None) -> tuple[float, float]:
    """The range whose 256 steps leave the least mean squared error, by the histogram.

    It is the error of what `function`, an activation, makes of the tensor: steps are spent where
    it is steep. Both ends are moved in turn over shares of what was seen, twice.
    """
    if seen.histogram is None or not seen.low < seen.high:
        return seen.low, seen.high
    filled = np.flatnonzero(seen.histogram.counts)
    counts = seen.histogram.counts[filled].astype(np.float64)
    values = ((filled - HALF + 0.5) * seen.histogram.width).astype(np.float64)
    exact = values if function is None else function(values)

    def error(low: float, high: float) -> float:
        affine = activation(low, high)
        steps = np.clip(np.rint(values / affine.scale) + affine.zero_point, 0, BYTE_MAX)
        rounded = ((steps - affine.zero_point) * float(affine.scale)).astype(np.float64)
        made = rounded if function is None else function(rounded)
        return float((counts * (made - exact) ** 2).sum())

    low, high = seen.low, seen.high
    for _ in range(_TURNS):
        high = min((seen.high * share for share in _SHARES), key=lambda end: error(low, end))
        low = min((seen.low * share for share in _SHARES), key=lambda end: error(end, high))
    return low, high


def percentile_range(histogram: Histogram, percentile: float) -> tuple[float, float]:
    """The narrowest bin edges with at most (100 - percentile) / 2 percent beyond either."""
    total = int(histogram.counts.sum())
    cut = math.floor(total * (100.0 - percentile) / 200.0)
    below = np.cumsum(histogram.counts)
    first = int(np.searchsorted(below, cut, side="right"))
    last = int(np.searchsorted(below, total - cut, side="left"))
    return (first - HALF) * histogram.width, (last + 1 - HALF) * histogram.width


def entropy_threshold(counts: NDArray[np.int64]) -> int:
    """The number of bins of |x| to keep, by least divergence (Migacz, GTC 2017, TensorRT).

    For each i from 128 to the last filled bin, P is the first i bins with all that lies beyond
    added to the last of them; Q is the same bins without that, gathered into 128 levels and
    spread evenly over each level's filled bins. The i of the smallest KL(P || Q) wins. With
    S and c the sum and the number of filled bins of a level, N and M the totals of P and Q and o
    what lies beyond, it is
    (sum P log P - sum S log(S / c) - o log Q_last) / N - log N + log M,
    which prefix sums give for all i at once. A level j spans bins floor(j i / 128) to
    floor((j + 1) i / 128). Where Q_last is zero and o is not, the divergence is infinite.
    """
    filled = np.flatnonzero(counts)
    size = int(filled[-1]) + 1 if filled.size else 0
    if size <= LEVELS:
        return size
    h = counts[:size].astype(np.float64)
    kept = np.arange(LEVELS, size + 1)
    edges = np.arange(LEVELS + 1) * kept[:, None] // LEVELS
    sums = np.diff(_prefix(h)[edges], axis=1)
    filled_bins = np.diff(_prefix((h > 0).astype(np.float64))[edges], axis=1)
    level_log = np.log(np.maximum(sums, 1) / np.maximum(filled_bins, 1))
    total, inside = h.sum(), _prefix(h)[kept]
    beyond, last = total - inside, h[kept - 1]
    own = _prefix(_x_log_x(h))[kept - 1] + _x_log_x(last + beyond)
    cross = (sums * level_log).sum(axis=1) + beyond * level_log[:, -1]
    with np.errstate(divide="ignore"):
        divergence = (own - cross) / total - np.log(total) + np.log(inside)
    divergence[(last == 0) & (beyond > 0)] = np.inf
    return int(kept[np.argmin(divergence)])


def _prefix(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(values)])


def _x_log_x(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values * np.log(np.maximum(values, 1.0))
