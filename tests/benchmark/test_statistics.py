from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from zoo_core.benchmark.statistics import (
    PERCENTILES,
    SteadyRule,
    agree,
    early_stopping,
    mean_interval,
    median_interval,
    percentile,
    samples_needed,
    summarise,
    variation,
)


def exact_at_most(over: int, count: int, chance: Fraction) -> Fraction:
    """P[Binomial(count, chance) <= over] in rational numbers: no lgamma, no recurrence."""
    return sum(
        (math.comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(over + 1)),
        Fraction(0),
    )


def exact_settled(over: int, count: int, p: str) -> bool:
    return exact_at_most(over, count, 1 - Fraction(p)) <= Fraction(1, 100)


LOADGEN = {
    64: ([32, 57, 60, 62, 63, 63], 63, None),
    65: ([32, 58, 61, 63, 64, 64], 64, None),
    100: ([50, 90, 95, 97, 99, 99], 97, None),
    128: ([64, 115, 121, 124, 126, 127], 123, None),
    200: ([100, 180, 190, 194, 198, 199], 190, None),
    350: ([175, 315, 332, 339, 346, 349], 328, None),
    662: ([331, 595, 628, 642, 655, 661], 614, 661),
    1000: ([500, 900, 950, 970, 990, 999], 922, 998),
    1500: ([750, 1350, 1425, 1455, 1485, 1498], None, 1494),
    2000: ([1000, 1800, 1900, 1940, 1980, 1998], 1832, 1991),
}
"""mlcommons-loadgen 6.0.17 on measured series of n queries: which of the sorted latencies (from 0)
it printed as the percentiles 50, 90, 95, 97, 99 and 99.9, and as the early-stopping estimates of
90 (SingleStream) and 99 (SingleStream and MultiStream)."""


@pytest.mark.parametrize("count", LOADGEN)
def test_figures_are_those_of_loadgen(count: int) -> None:
    samples = np.random.default_rng(0).permutation(np.arange(count))
    plain, early90, early99 = LOADGEN[count]

    assert [percentile(samples, p) for p in (0.5, 0.9, 0.95, 0.97, 0.99, 0.999)] == plain
    assert early90 is None or early_stopping(samples, 0.9) == early90
    assert early_stopping(samples, 0.99) == early99


def test_no_samples_are_an_error() -> None:
    for function in (summarise, variation, lambda empty: percentile(empty, 0.5)):
        with pytest.raises(ValueError, match="no samples"):
            function([])


@pytest.mark.parametrize(
    ("p", "needed"), [(0.9, 64), (0.95, 130), (0.97, 219), (0.99, 662), (0.999, 6636)]
)
def test_counts_are_those_loadgen_prints(p: float, needed: int) -> None:
    assert samples_needed(p) == needed


@pytest.mark.parametrize("p", ["0.5", "0.8", "0.9", "0.95", "0.97", "0.99"])
def test_counts_against_rational_arithmetic(p: str) -> None:
    needed = samples_needed(float(p))
    assert exact_settled(1, needed, p)
    assert not exact_settled(1, needed - 1, p)


@pytest.mark.parametrize("p", ["0.5", "0.9", "0.97"])
@pytest.mark.parametrize("count", [64, 219, 300, 745])
def test_bounds_against_rational_arithmetic(p: str, count: int) -> None:
    samples = np.random.default_rng(count).permutation(np.arange(count))
    bound = early_stopping(samples, float(p))
    if not exact_settled(1, count, p):
        assert bound is None
        return
    assert bound is not None
    highest = round(count - bound)
    assert bound == samples[samples == count - highest].item()
    assert exact_settled(highest, count, p)
    assert not exact_settled(highest + 1, count, p)


def test_bound_of_a_run_that_loadgen_reported() -> None:
    assert early_stopping(np.arange(745), 0.9) == 744 - 54


def test_bound_of_many_samples_is_near_the_normal_one() -> None:
    count, p = 1_000_000, 0.99
    bound = early_stopping(np.arange(count), p)
    assert bound is not None
    normal = count * (1 - p) - 2.3263 * math.sqrt(count * p * (1 - p))
    assert count - 1 - bound == pytest.approx(normal, abs=3)


def test_bound_covers_the_true_percentile_as_often_as_it_says() -> None:
    source, true = np.random.default_rng(7), -math.log(0.1)
    series = source.exponential(size=(2000, 200))
    bounds = [bound for row in series if (bound := early_stopping(row, 0.9))]
    assert len(bounds) == 2000
    assert np.mean([value >= true for value in bounds]) >= 0.99
    assert np.mean([percentile(row, 0.9) >= true for row in series]) < 0.6


def test_summary_withholds_what_it_cannot_know() -> None:
    found = summarise(np.arange(1, 201) / 10)
    assert (found.count, found.least, found.most) == (200, 0.1, 20.0)
    assert found.mean == pytest.approx(10.05)
    assert found.median == pytest.approx(10.05)
    assert found.percentiles == {"p90": 18.1, "p95": 19.1, "p97": None, "p99": None, "p99_9": None}
    assert found.withheld == {"p97": 219, "p99": 662, "p99_9": 6636}
    assert list(found.bounds) == ["p90", "p95"]
    assert found.bounds["p90"] >= 18.0
    assert list(found.to_data()) == ["median", "mean", "min", "max", *PERCENTILES]


def test_summary_at_the_very_count() -> None:
    assert summarise(np.ones(63)).percentiles["p90"] is None
    assert summarise(np.ones(64)).percentiles["p90"] == 1.0


def test_variation_has_known_values() -> None:
    assert variation([3.0] * 9) == 0.0
    assert variation([9.0, 11.0] * 50) == pytest.approx(0.1)


def noise(count: int, spread: float = 0.01) -> np.ndarray:
    return 1 + spread * np.random.default_rng(3).standard_normal(count)


def test_noise_is_steady() -> None:
    found = SteadyRule().judge(noise(500))
    assert found.steady
    assert found.reason.startswith("5 windows agree within 0.")


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        (np.repeat([1.2, 1.0], [100, 400]), "window 1 of 5 is 20.0% above the median (limit 5%)"),
        (np.repeat([1.0, 0.8], [400, 100]), "window 5 of 5 is 20.0% below the median (limit 5%)"),
        (np.repeat([1.0, 1.5], [250, 250]), "window 1 of 5 is 20.0% below the median (limit 5%)"),
        (noise(500) * np.linspace(1, 1.3, 500), "window 5 of 5 is 10.6% above the median"),
    ],
)
def test_steps_and_drifts_are_not_steady(series: np.ndarray, reason: str) -> None:
    found = SteadyRule().judge(series)
    assert not found.steady
    assert reason in found.reason


def test_outliers_do_not_make_a_series_unsteady() -> None:
    series = noise(500)
    series[::25] *= 10
    assert SteadyRule().judge(series).steady


def test_short_series_are_never_steady() -> None:
    found = SteadyRule().judge(np.ones(9))
    assert not found.steady
    assert found.reason == "needs 10 samples, have 9"
    assert SteadyRule().judge(np.ones(10)).steady
    assert not SteadyRule().judge([]).steady


def test_order_matters_for_steadiness() -> None:
    drift = noise(500) * np.linspace(1, 1.4, 500)
    assert not SteadyRule().judge(drift).steady
    assert SteadyRule().judge(np.random.default_rng(0).permutation(drift)).steady


def test_agreement_is_relative_to_the_middle() -> None:
    assert agree([1.0, 1.04, 0.96], 0.05)
    assert not agree([1.0, 1.06, 1.0], 0.05)
    assert agree([0.0, 0.0], 0.05)
    assert not agree([0.0, 0.0, 1.0], 0.05)


def test_interval_of_the_mean_is_the_textbooks() -> None:
    series = np.random.default_rng(11).normal(5, 2, size=2000)
    low, high = mean_interval(series, repeats=4000)
    error = series.std(ddof=1) / math.sqrt(series.size)
    assert low == pytest.approx(series.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(series.mean() + 1.96 * error, abs=0.1 * error)


def test_intervals_against_drawing_copies() -> None:
    series = np.random.default_rng(5).exponential(size=301)
    copies = np.random.default_rng(6).choice(series, size=(4000, series.size))
    means, medians = copies.mean(axis=1), np.median(copies, axis=1)
    found = mean_interval(series, repeats=4000)
    assert found == pytest.approx(np.quantile(means, [0.025, 0.975]), rel=0.02)
    assert median_interval(series) == pytest.approx(np.quantile(medians, [0.025, 0.975]), rel=0.04)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    source = np.random.default_rng(17)
    hits = 0
    for _ in range(300):
        low, high = mean_interval(source.normal(1, 0.2, 100), repeats=400)
        hits += low <= 1 <= high
    assert 0.91 <= hits / 300 <= 0.98


@pytest.mark.parametrize("count", [10, 11, 100])
def test_interval_of_the_median_covers_it_as_often_as_it_says(count: int) -> None:
    rows = np.random.default_rng(23).exponential(size=(2000, count))
    hits = [low <= math.log(2) <= high for low, high in map(median_interval, rows)]
    assert 0.945 <= np.mean(hits) <= 0.99


@pytest.mark.parametrize(("count", "rank"), [(6, 1), (9, 2), (10, 2), (20, 6), (50, 18), (100, 40)])
def test_interval_of_the_median_is_that_of_the_textbooks_table(count: int, rank: int) -> None:
    """The r-th lowest and the r-th highest, as tables of the sign test give r for 95 %."""
    samples = np.random.default_rng(count).permutation(np.arange(1, count + 1))
    assert median_interval(samples) == (rank, count + 1 - rank)


def test_all_of_a_few_samples_may_be_the_median() -> None:
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert median_interval([7.0]) == (7.0, 7.0)


def test_blocks_widen_the_interval_of_neighbours_that_go_together() -> None:
    series = np.repeat(np.random.default_rng(2).normal(10, 1, size=60), 20)
    widths = [high - low for block in (1, 20) for low, high in [mean_interval(series, block)]]
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(20), rel=0.15)


def test_seeds_decide() -> None:
    series = noise(100)
    same = [mean_interval(series, seed=seed) for seed in (4, 4, 5)]
    assert same[0] == same[1]
    assert same[0] != same[2]


def test_one_block_has_no_interval() -> None:
    with pytest.raises(ValueError, match="fewer than two blocks"):
        mean_interval(noise(10), block=10)


def test_needed_counts_rise_with_the_percentile() -> None:
    needed = [samples_needed(p) for p in PERCENTILES.values()]
    assert all(low < high for low, high in pairwise(needed))
