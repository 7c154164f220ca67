"""Intervals of metrics, by scoring halves of the images.

A half of the images, drawn without replacement, varies about its mean as much as a new data set of
full size would (the delete-half jackknife; Shao and Wu, "A General Theory for Jackknife Variance
Estimation", 1989). COCO's AP is also larger on fewer images, as its precision is a maximum; the
halves show by how much, and the interval is extended by what is left of that at full size.
tests/benchmarks/intervals.py measures how often intervals hold the true value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

REPEATS = 400
CONFIDENCE = 0.95
METHOD = "delete-half jackknife over images, bias-corrected, reflected"
_LEFT = 1.5
"""Bias at full size over what a half adds to it; 1.5 is that of a bias that falls as n^-0.74."""

_FEWEST = 10
_MANY = 1000
_LARGE = 2
"""A bias of more standard errors than this is said; tests/benchmarks/intervals.py measures both."""


def halves(count: int, repeats: int = REPEATS, seed: int = 0) -> Floats:
    """Weights 0 and 1, float64 [repeats, count]: each row has one half of the images."""
    draws = np.random.default_rng(seed).random((repeats, count))
    return (draws.argsort(axis=1) < count // 2).astype(np.float64)


def interval(value: float, samples: Floats) -> tuple[float, float]:
    """The bounds of a figure from its values on halves, float64 [repeats]; not cut to 0 and 1.

    They hold the figure itself, and the figure without its bias.
    """
    low, high = np.quantile(samples, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    mean, shift = samples.mean(), -_bias(value, samples)
    return float(value - (high - mean) + min(0, shift)), float(value + mean - low + max(0, shift))


def _bias(value: float, samples: Floats) -> float:
    """About how much more a figure is than it would be on very many images."""
    return float(_LEFT * (samples.mean() - value))


def paired_interval(
    change: float, before: Floats | None, after: Floats | None, images: int
) -> tuple[float, float] | None:
    """The bounds of a change, from the figures before and after it on the same halves.

    None without figures of both on each half, and for fewer than ten images.
    """
    if images < _FEWEST or before is None or after is None or before.shape != after.shape:
        return None
    paired = np.asarray(after - before, np.float64)
    return interval(change, paired) if np.isfinite(paired).all() else None


def intervals(
    values: Mapping[str, float | None], samples: Mapping[str, Floats], images: int
) -> dict[str, Any] | None:
    """{name: [low, high], ..., "confidence", "method"}; None for fewer than ten images.

    Metrics that are undefined, or undefined on some half, have none. Fractions stay in 0 to 1.
    """
    if images < _FEWEST:
        return None
    found: dict[str, Any] = {}
    for name, value in values.items():
        sample = samples.get(name)
        if value is not None and sample is not None and not np.isnan(sample).any():
            low, high = interval(value, sample)
            found[name] = [max(0.0, low), min(1.0, high)]
    return {**found, "confidence": CONFIDENCE, "method": METHOD} if found else None


def small_data(
    values: Mapping[str, float | None], samples: Mapping[str, Floats], images: int
) -> tuple[str, ...]:
    """What a reader must know of the first metric where the images are few."""
    name, value = next(iter(values.items()), ("", None))
    if value is None:
        return ()
    if images < _FEWEST:
        return (f"{images} images say little: {name} has no interval below {_FEWEST}",)
    sample = samples.get(name)
    if images >= _MANY or sample is None or np.isnan(sample).any():
        return ()
    bias = _bias(value, sample)
    if bias <= _LARGE * sample.std():
        return ()
    what = f"{name} of {images} images is too high, by about {bias:.3f}"
    return (f"{what}, as halves of them show; the interval takes that in",)
