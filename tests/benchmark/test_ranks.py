from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from zoo_core.benchmark.statistics import MOST_PAIRS, shift, signed_ranks


def by_hand(count: int) -> np.ndarray:
    """P[T = t] by going through all 2^n signs."""
    sums = [
        sum(rank for rank, positive in enumerate(signs, 1) if positive)
        for signs in product((False, True), repeat=count)
    ]
    return np.bincount(sums) / len(sums)


@pytest.mark.parametrize("count", [1, 2, 6, 10])
def test_the_distribution_against_all_signs(count: int) -> None:
    assert signed_ranks(count) == pytest.approx(by_hand(count))


@pytest.mark.parametrize(
    ("count", "critical"), [(6, 0), (8, 3), (10, 8), (15, 25), (20, 52), (25, 89), (30, 137)]
)
def test_critical_values_are_those_of_wilcoxons_table(count: int, critical: int) -> None:
    """The two-sided 5 % column of the table in every textbook."""
    below = np.cumsum(signed_ranks(count))
    assert below[critical] <= 0.025 < below[critical + 1]


def test_p_against_all_signs() -> None:
    source = np.random.default_rng(0)
    for _ in range(20):
        values = source.normal(0.4, 1, 9)
        ranks = np.argsort(np.argsort(np.abs(values))) + 1
        seen = ranks[values > 0].sum()
        chances = by_hand(9)
        tails = chances[: seen + 1].sum(), chances[seen:].sum()
        assert shift(values).p == pytest.approx(min(1.0, 2 * min(tails)))


def test_the_interval_is_what_the_test_does_not_reject() -> None:
    source = np.random.default_rng(1)
    for _ in range(200):
        values = source.normal(0.3, 1, 14)
        found = shift(values)
        assert found.low < found.estimate < found.high
        assert (found.p <= 0.05) == (not found.low <= 0 <= found.high)
        assert shift(values - (found.low + 1e-9)).p > 0.05
        assert shift(values - (found.low - 1e-9)).p <= 0.05


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    source = np.random.default_rng(2)
    covered = [
        found.low <= 0 <= found.high
        for found in (shift(source.standard_t(3, 15)) for _ in range(1000))
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_an_outlier_moves_nothing() -> None:
    values = np.linspace(0.9, 1.1, 21)
    wild = np.array([*values[:-1], 1000.0])
    assert shift(wild).estimate == pytest.approx(shift(values).estimate, abs=0.02)


def test_no_difference_at_all() -> None:
    found = shift(np.zeros(12))
    assert (found.estimate, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("count", [0, 5, MOST_PAIRS + 1])
def test_too_few_or_too_many(count: int) -> None:
    with pytest.raises(ValueError, match="differences"):
        shift(np.ones(count))
