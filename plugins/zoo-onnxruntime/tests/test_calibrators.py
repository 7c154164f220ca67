from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from zoo_onnxruntime.calibrators import (
    LEVELS,
    Seen,
    choose,
    entropy_threshold,
    percentile_range,
)
from zoo_onnxruntime.histogram import Histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERCENTILES = [90.0, 99.0, 99.9, 99.99, 99.999]


def activations(seed: int) -> list[NDArray[np.float32]]:
    """Four images' worth of one tensor: a lopsided bulk with a long tail."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(4):
        bulk = generator.normal(0.3, 1.0, 40_000)
        tail = generator.exponential(6.0, 300)
        values = np.concatenate([np.where(bulk < 0, 0.1 * bulk, bulk), tail])
        found.append(values.astype(np.float32).reshape(1, 4, 25, -1))
    return found


def seen(parts: list[NDArray[np.float32]]) -> Seen:
    result = Seen(histogram=Histogram())
    for part in parts:
        assert result.add(part)
    return result


def naive_threshold(counts: NDArray[np.int64]) -> int:
    """The published procedure, bin by bin."""
    size = int(np.flatnonzero(counts)[-1]) + 1
    best, chosen = math.inf, size
    for kept in range(LEVELS, size + 1):
        bins = counts[:kept].astype(float)
        p = bins.copy()
        p[-1] += counts[kept:size].sum()
        q = np.zeros(kept)
        for level in range(LEVELS):
            start, stop = level * kept // LEVELS, (level + 1) * kept // LEVELS
            filled = bins[start:stop] > 0
            if filled.any():
                q[start:stop][filled] = bins[start:stop].sum() / filled.sum()
        p, q = p / p.sum(), q / q.sum()
        if ((p > 0) & (q == 0)).any():
            continue
        where = p > 0
        divergence = float((p[where] * np.log(p[where] / q[where])).sum())
        if divergence < best - 1e-13:
            best, chosen = divergence, kept
    return chosen


def test_minmax_is_what_all_values_span() -> None:
    parts = activations(0)
    everything = np.concatenate([p.ravel() for p in parts])
    assert choose(seen(parts), "minmax", None) == (everything.min(), everything.max())


@pytest.mark.parametrize("percentile", PERCENTILES)
def test_percentile_against_all_values_sorted(percentile: float) -> None:
    parts = activations(1)
    everything = np.sort(np.concatenate([p.ravel() for p in parts]).astype(np.float64))
    cut = math.floor(everything.size * (100 - percentile) / 200)
    found = seen(parts)
    low, high = choose(found, "percentile", percentile)
    assert found.histogram
    width = found.histogram.width
    assert everything[cut] - width < low <= everything[cut]
    assert everything[-1 - cut] <= high < everything[-1 - cut] + width
    assert (everything < low).sum() <= cut
    assert (everything > high).sum() <= cut


def test_the_whole_percentile_is_minmax() -> None:
    found = seen(activations(2))
    assert choose(found, "percentile", 100.0) == choose(found, "minmax", None)


def test_percentile_of_one_value() -> None:
    histogram = Histogram()
    histogram.add(np.full(1000, 3.0, np.float32), 3.0)
    low, high = percentile_range(histogram, 99.9)
    assert low <= 3.0 <= high
    assert high - low == histogram.width


@pytest.mark.parametrize("seed", range(3))
def test_entropy_against_the_procedure_bin_by_bin(seed: int) -> None:
    found = seen(activations(seed))
    assert found.histogram
    threshold = naive_threshold(found.histogram.magnitudes())
    assert LEVELS < threshold < 2048
    assert entropy_threshold(found.histogram.magnitudes()) == threshold
    low, high = choose(found, "entropy", None)
    assert low == max(found.low, -threshold * found.histogram.width)
    assert high == min(found.high, threshold * found.histogram.width)


def test_entropy_of_sparse_counts() -> None:
    counts = np.zeros(2048, np.int64)
    counts[::37] = 5
    counts[0], counts[1998] = 900, 1
    assert entropy_threshold(counts) == naive_threshold(counts)


def test_entropy_keeps_what_128_bins_hold() -> None:
    counts = np.zeros(2048, np.int64)
    assert entropy_threshold(counts) == 0
    counts[:100] = 4
    assert entropy_threshold(counts) == 100


def test_entropy_cuts_a_far_outlier_that_minmax_keeps() -> None:
    generator = np.random.default_rng(5)
    values = generator.normal(0, 1, 100_000).astype(np.float32)
    values[0] = 40.0
    found = seen([values])
    assert choose(found, "minmax", None)[1] == 40.0
    assert choose(found, "entropy", None)[1] < 10.0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_not_taken(wrong: float) -> None:
    found = Seen(histogram=Histogram())
    assert found.add(np.array([1.0, 2.0], np.float32))
    assert not found.add(np.array([0.0, wrong, 9.0], np.float32))
    assert (found.low, found.high) == (1.0, 2.0)
