from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from zoo_onnxruntime.histogram import HALF, Histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray


def counted(*parts: NDArray[np.float32]) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.add(part, float(np.abs(part).max()))
    return histogram


def direct(values: NDArray[np.float32], width: float) -> NDArray[np.int64]:
    edges = np.arange(-HALF, HALF + 1) * np.float64(width)
    return np.histogram(values.astype(np.float64), edges)[0]


def parts(seed: int = 3) -> list[NDArray[np.float32]]:
    generator = np.random.default_rng(seed)
    return [
        generator.normal(0.2, scale, (1, 4, 30, 31)).astype(np.float32)
        for scale in (0.01, 5.0, 0.3, 60.0)
    ]


def test_counts_equal_numpys_over_all_values() -> None:
    values = parts()
    histogram = counted(*values)
    flat = np.concatenate([v.ravel() for v in values])
    assert histogram.counts.sum() == flat.size
    assert np.array_equal(histogram.counts, direct(flat, histogram.width))


def test_the_order_of_images_plays_no_part() -> None:
    found = [counted(*order) for order in itertools.permutations(parts())]
    for other in found[1:]:
        assert other.exponent == found[0].exponent
        assert np.array_equal(other.counts, found[0].counts)


@pytest.mark.parametrize("largest", [1.0, 2.0, 1.9999999, 3.0e-5, 4.0e20, 0.75])
def test_the_largest_value_lies_in_the_upper_half_of_the_bins(largest: float) -> None:
    values = np.array([largest, -largest, largest / 3], np.float32)
    histogram = counted(values)
    last = int(np.flatnonzero(histogram.counts)[-1]) - HALF
    assert HALF // 2 <= last < HALF
    assert last * histogram.width <= values[0] < (last + 1) * histogram.width


def test_values_on_edges_belong_to_the_bin_above() -> None:
    histogram = counted(np.array([1.5], np.float32))
    width = histogram.width
    edges = (np.arange(-1000, 1000) * width).astype(np.float32)
    histogram.add(edges, float(np.abs(edges).max()))
    expected = direct(np.concatenate([edges, np.array([1.5], np.float32)]), width)
    assert histogram.width == width
    assert np.array_equal(histogram.counts, expected)


def test_zeros_count_at_zero() -> None:
    histogram = counted(np.zeros(7, np.float32))
    assert histogram.counts[HALF] == histogram.counts.sum() == 7
    histogram.add(np.full(3, 100, np.float32), 100.0)
    assert histogram.counts[HALF] == 7
    assert histogram.counts.sum() == 10


def test_more_values_than_are_counted_at_once() -> None:
    values = np.random.default_rng(0).random((1 << 22) + 1000, dtype=np.float32)
    histogram = counted(values)
    assert np.array_equal(histogram.counts, direct(values, histogram.width))


def test_magnitudes_fold_the_negative_side() -> None:
    values = np.concatenate([v.ravel() for v in parts()])
    histogram = counted(values)
    edges = np.arange(HALF + 1) * histogram.width
    assert np.array_equal(histogram.magnitudes(), np.histogram(np.abs(values), edges)[0])
