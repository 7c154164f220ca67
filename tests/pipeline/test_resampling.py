"""Intervals from halves of the images."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_core.pipeline.resampling import CONFIDENCE, halves, interval, intervals, small_data


def test_each_row_has_another_half_of_the_images() -> None:
    weights = halves(11, 50)
    assert weights.shape == (50, 11)
    assert set(weights.sum(axis=1)) == {5.0}
    assert len({row.tobytes() for row in weights}) > 40
    assert (halves(11, 50) == weights).all()


def test_the_interval_of_a_mean_is_that_of_statistics() -> None:
    """Of a mean, whose halves have no bias: 1.96 standard errors on either side."""
    values = np.random.default_rng(1).normal(5, 2, 400)
    samples = halves(400, 4000) @ values / 200
    low, high = interval(values.mean(), samples)
    error = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - error, rel=0.03)
    assert high == pytest.approx(values.mean() + error, rel=0.03)


def test_a_bias_that_falls_with_size_extends_the_interval() -> None:
    """A figure that halves overstate by 0.02 is itself about 1.5 times that too high."""
    samples = np.random.default_rng(2).normal(0.32, 0.01, 4000)
    low, high = interval(0.30, samples)
    assert low == pytest.approx(0.30 - 1.5 * 0.02 - 0.0196, abs=0.001)
    assert high == pytest.approx(0.30 + 0.0196, abs=0.001)
    below, above = interval(0.30, 0.60 - samples)
    assert (0.30 - below, above - 0.30) == pytest.approx((high - 0.30, 0.30 - low))


def test_a_reader_is_told_where_the_images_are_few() -> None:
    draw = np.random.default_rng(4)
    samples = {"AP": draw.normal(0.32, 0.01, 400), "AP50": np.array([np.nan])}
    (text,) = small_data({"AP": 0.30}, samples, 128)
    assert "AP of 128 images is too high, by about 0.03" in text
    assert small_data({"AP": 0.30}, samples, 1000) == ()
    assert small_data({"AP": 0.315}, samples, 128) == ()
    (text,) = small_data({"AP": 0.30}, samples, 9)
    assert "9 images say little: AP has no interval" in text


def test_nothing_is_told_of_what_has_no_figure_or_no_samples() -> None:
    samples = {"AP": np.array([0.4, np.nan])}
    assert small_data({}, samples, 5) == ()
    assert small_data({"AP": None}, samples, 5) == ()
    assert small_data({"AP": 0.3}, samples, 50) == ()
    assert small_data({"AR": 0.3}, samples, 50) == ()


def test_what_is_undefined_has_no_interval() -> None:
    samples = {"AP": np.full(9, 0.5), "APs": np.array([0.1, np.nan, 0.2]), "APm": np.full(9, 0.1)}
    found = intervals({"AP": 0.5, "APs": 0.1, "APm": None, "AR": 0.2}, samples, 20)
    assert found is not None
    assert set(found) == {"AP", "confidence", "method"}
    assert (found["AP"], found["confidence"]) == ([0.5, 0.5], CONFIDENCE)
    assert intervals({"AP": 0.5}, samples, 9) is None
    assert intervals({"AR": 0.5}, samples, 20) is None


def test_fractions_stay_fractions() -> None:
    samples = {"AP": np.random.default_rng(3).normal(0.99, 0.02, 200)}
    found = intervals({"AP": 0.99}, samples, 20)
    assert found is not None
    assert found["AP"][1] == 1.0
