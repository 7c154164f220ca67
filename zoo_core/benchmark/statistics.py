"""Statistics of measured durations: percentiles with their sample counts, steadiness, intervals.

A percentile is a value that was measured, by LoadGen's rule: `sorted(samples)[floor(n * p)]`.
Pairs are compared by their ranks: Wilcoxon's signed-rank test, Hodges and Lehmann's estimate; both
assume that differences are independent and symmetric about what is estimated, not that they are
normal (Wilcoxon 1945; Hodges, Lehmann 1963). The null distribution is exact, without ties.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Vector = NDArray[np.float64]

PERCENTILES = {"p90": 0.90, "p95": 0.95, "p97": 0.97, "p99": 0.99, "p99_9": 0.999}
"""The percentiles that are reported, by their name in reports."""

CONFIDENCE = 0.99
"""The confidence of the early-stopping bound, MLPerf's choice."""

COV_LIMIT = 0.025
"""A coefficient of variation above this is worth a warning, trtexec's choice."""

MOST_PAIRS = 400
"""Differences above which the exact distribution of signed ranks would take long."""

_TAIL = 0.025
"""What an interval of 95 % leaves out on either side."""

_MANY = 1 << 32
"""More samples than any percentile needs."""


def percentile(samples: ArrayLike, p: float) -> float:
    """LoadGen's percentile, `p` in [0, 1): the product is cut off as doubles give it.

    Raises ValueError without samples.
    """
    values = np.sort(_vector(samples))
    return float(values[int(values.size * p)])


@cache
def samples_needed(p: float, confidence: float = CONFIDENCE) -> int:
    """Samples without which MLPerf's early stopping gives no estimate of a percentile.

    The least n with P[Binomial(n, 1 - p) <= 1] <= 1 - confidence: fewer samples than these may well
    hold at most one value above the true percentile, so that they say nothing about it.
    64 for p90, 130 for p95, 219 for p97, 662 for p99, 6,636 for p99.9.
    """
    counts = range(2, _MANY)
    return counts[bisect_left(counts, True, key=lambda n: _settled(1, n, p, confidence))]


def early_stopping(samples: ArrayLike, p: float, confidence: float = CONFIDENCE) -> float | None:
    """MLPerf's early-stopping estimate of a percentile; None with fewer than `samples_needed`.

    For the largest t with P[Binomial(n, 1 - p) <= t] <= 1 - confidence it is the t-th highest
    sample: one-sided, and free of any assumption but that samples are independent. The formula is
    that of loadgen in github.com/mlcommons/inference (`early_stopping.cc`, `results.cc`; its
    tolerance d is 0), written there as the regularised incomplete beta function I_p(n - t, t + 1).
    """
    values = np.sort(_vector(samples))
    count = int(values.size)
    if count < samples_needed(p, confidence):
        return None
    ranks = range(1, math.floor(count * (1 - p)) + 1)
    rank = bisect_left(ranks, True, key=lambda t: not _settled(t, count, p, confidence))
    return float(values[count - rank])


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Figures of a series in its own unit.

    `percentiles` holds None for those with too few samples; `withheld` tells how many they need.
    """

    count: int
    mean: float
    median: float
    least: float
    most: float
    percentiles: Mapping[str, float | None]
    withheld: Mapping[str, int]
    bounds: Mapping[str, float]

    def to_data(self) -> dict[str, Any]:
        """The figures by name, percentiles among them."""
        figures = {"median": self.median, "mean": self.mean, "min": self.least, "max": self.most}
        return {**figures, **self.percentiles}


def summarise(samples: ArrayLike) -> Summary:
    """All figures of a series; raises ValueError without samples."""
    values = np.sort(_vector(samples))
    bounds = {name: early_stopping(values, p) for name, p in PERCENTILES.items()}
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    return Summary(
        count=int(values.size),
        mean=float(values.mean()),
        median=float(np.median(values)),
        least=float(values[0]),
        most=float(values[-1]),
        percentiles={
            n: percentile(values, p) if n in known else None for n, p in PERCENTILES.items()
        },
        withheld={n: samples_needed(p) for n, p in PERCENTILES.items() if n not in known},
        bounds=known,
    )


def variation(samples: ArrayLike) -> float:
    """The coefficient of variation: the standard deviation (of n, not n - 1) over the mean."""
    values = _vector(samples)
    mean = float(values.mean())
    return float(values.std()) / mean if mean else 0.0


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Whether a series stayed as it began, and the sentence that says why."""

    steady: bool
    reason: str


@dataclass(frozen=True, slots=True)
class SteadyRule:
    """The medians of `windows` equal consecutive parts lie within `tolerance` of the whole's.

    Each part has at least `least` samples; a shorter series is not called steady.
    """

    windows: int = 5
    least: int = 2
    tolerance: float = 0.05

    def judge(self, samples: ArrayLike) -> Steadiness:
        """Judge samples in the order in which they were taken."""
        values = np.asarray(samples, np.float64).ravel()
        needed = self.windows * self.least
        if values.size < needed:
            return Steadiness(False, f"needs {needed} samples, have {values.size}")
        medians = [float(np.median(part)) for part in np.array_split(values, self.windows)]
        apart = [_relative(median, float(np.median(values))) for median in medians]
        worst = max(range(self.windows), key=lambda index: abs(apart[index]))
        limit = f"{self.tolerance:.0%}"
        if abs(apart[worst]) <= self.tolerance:
            share = f"{abs(apart[worst]):.1%}"
            return Steadiness(True, f"{self.windows} windows agree within {share} (limit {limit})")
        way = "above" if apart[worst] > 0 else "below"
        where = f"window {worst + 1} of {self.windows}"
        share = f"{abs(apart[worst]):.1%}"
        return Steadiness(False, f"{where} is {share} {way} the median (limit {limit})")


def agree(medians: Sequence[float], tolerance: float) -> bool:
    """Whether all lie within `tolerance`, relative, of the middle one."""
    middle = float(np.median(medians))
    return all(abs(_relative(median, middle)) <= tolerance for median in medians)


def mean_interval(
    samples: ArrayLike, block: int = 1, repeats: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mean, by a bootstrap with weights instead of copies.

    Samples are drawn in runs of `block` consecutive ones, which keeps what neighbours share: each
    repeat gives every block a multinomial weight, as drawing blocks with replacement would
    (Efron 1979; blocks as Carlstein 1986). Raises ValueError with fewer than two blocks.
    """
    values = _vector(samples)
    starts = np.arange(0, values.size, block)
    if starts.size < 2:
        raise ValueError(f"{values.size} samples make fewer than two blocks of {block}")
    sums, sizes = np.add.reduceat(values, starts), np.diff(starts, append=values.size)
    chances = np.full(starts.size, 1 / starts.size)
    weights = np.random.default_rng(seed).multinomial(starts.size, chances, size=repeats)
    low, high = np.quantile((weights @ sums) / (weights @ sizes), [_TAIL, 1 - _TAIL])
    return float(low), float(high)


def median_interval(samples: ArrayLike) -> tuple[float, float]:
    """The 95 % interval of the median: the order statistics between which the sign test puts it.

    Free of any assumption but that samples are independent; of less than six, all are in it.
    """
    values = np.sort(_vector(samples))
    halves = range(values.size // 2)
    rank = bisect_left(halves, True, key=lambda k: _at_most(k, values.size, 0.5) > _TAIL)
    outside = max(rank - 1, 0)
    return float(values[outside]), float(values[-1 - outside])


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much pairs differ: the estimate, an interval, the two-sided p of "not at all"."""

    estimate: float
    low: float
    high: float
    p: float


def shift(differences: ArrayLike, confidence: float = 0.95) -> Shift:
    """The pseudo-median of paired differences; raises ValueError for under 6, or over `MOST_PAIRS`.

    The interval is that of all means of two differences (Walsh averages) which the test would not
    reject.
    """
    values = np.asarray(differences, np.float64).ravel()
    if not 6 <= values.size <= MOST_PAIRS:
        raise ValueError(f"{values.size} differences, not 6 to {MOST_PAIRS}")
    rows, columns = np.triu_indices(values.size)
    walsh = np.sort((values[rows] + values[columns]) / 2)
    below = np.cumsum(signed_ranks(values.size))
    cut = int(np.searchsorted(below, (1 - confidence) / 2, side="right"))
    cut = max(cut, 1)
    ranks = int((walsh > 0).sum()), int((walsh < 0).sum())
    p = min(1.0, 2 * float(below[walsh.size - max(ranks)]))
    return Shift(float(np.median(walsh)), float(walsh[cut - 1]), float(walsh[-cut]), p)


@lru_cache(maxsize=8)
def signed_ranks(count: int) -> NDArray[np.float64]:
    """P[T = t] for t = 0 .. n (n + 1) / 2: the sum of the ranks 1 .. n with random signs."""
    chances = np.zeros(count * (count + 1) // 2 + 1)
    chances[0] = 1.0
    for rank in range(1, count + 1):
        chances[rank:] = (chances[rank:] + chances[:-rank]) / 2
        chances[:rank] /= 2
    return chances


def _settled(over: int, count: int, p: float, confidence: float) -> bool:
    """Whether `count` samples hold at most `over` above the percentile too rarely to matter."""
    return _at_most(over, count, 1 - p) <= 1 - confidence


def _at_most(over: int, count: int, chance: float) -> float:
    """P[Binomial(count, chance) <= over], for `over` up to the mean, from its largest term down."""
    ways = math.lgamma(count + 1) - math.lgamma(over + 1) - math.lgamma(count - over + 1)
    term = math.exp(ways + over * math.log(chance) + (count - over) * math.log1p(-chance))
    total = term
    for k in range(over, 0, -1):
        term *= k * (1 - chance) / ((count - k + 1) * chance)
        total += term
        if term < total * 1e-17:
            break
    return total


def _relative(value: float, base: float) -> float:
    if base:
        return value / base - 1
    return 0.0 if value == base else math.inf


def _vector(samples: ArrayLike) -> Vector:
    values = np.asarray(samples, np.float64).ravel()
    if not values.size:
        raise ValueError("no samples")
    return values
