"""Halves of the calibration images: merged to what one pass sees, and compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from zoo_onnxruntime.calibrators import Seen, choose
from zoo_onnxruntime.halves import agreement, merged
from zoo_onnxruntime.histogram import Histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray


def of(values: NDArray[np.float32], histograms: bool = True) -> Seen:
    seen = Seen(histogram=Histogram() if histograms else None)
    for row in values:
        assert seen.add(np.ascontiguousarray(row))
    return seen


@pytest.mark.parametrize("scale", [1e-6, 1.0, 3e4])
@pytest.mark.parametrize("histograms", [True, False])
def test_merging_is_one_pass_over_all(scale: float, histograms: bool) -> None:
    values = np.random.default_rng(3).normal(0, 1, (6, 500)).astype(np.float32)
    values[1::2] *= np.float32(scale)
    whole = of(values, histograms)
    halves = of(values[::2], histograms), of(values[1::2], histograms)
    for first, second in (halves, halves[::-1]):
        both = merged({"t": first}, {"t": second})["t"]
        assert (both.low, both.high) == (whole.low, whole.high)
        assert (both.histogram is None) == (whole.histogram is None)
        if both.histogram and whole.histogram:
            assert both.histogram.exponent == whole.histogram.exponent
            assert np.array_equal(both.histogram.counts, whole.histogram.counts)


def test_merging_changes_neither_half() -> None:
    first, second = of(np.ones((1, 4), np.float32)), of(np.full((1, 4), 99, np.float32))
    merged({"t": first}, {"t": second})
    assert (first.high, second.low) == (1.0, 99.0)
    assert first.histogram is not None
    assert first.histogram.counts.sum() == 4
    assert choose(first, "percentile", 100.0)[1] == 1.0


def test_agreement_is_the_mean_change_of_both_halves() -> None:
    """Tensor a: 0..10 of all, 0..10 and 0..6 of halves: (0 + 0.4) / 2. Tensor b agrees."""
    whole = {"a": (0.0, 10.0), "b": (-1.0, 1.0), "zero": (0.0, 0.0)}
    assert agreement((whole, {**whole, "a": (0.0, 6.0)}), whole) == {
        "tensors": 3,
        "by": 0.1,
        "changed": 1,
        "worst": "a",
        "worst_change": 0.2,
    }
