"""Intervals of metrics, by scoring halves of the images.

A half of the images, drawn without replacement, varies about its mean as much as a new data set of
full size would (the delete-half jackknife; Shao and Wu, "A General Theory for Jackknife Variance
Estimation", 1989). COCO's AP is also larger on fewer images, as its precision is a maximum; the
halves show by how much, and the interval is moved by what is left of that at full size.
tests/benchmarks/coverage shows how often intervals hold the true value.
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


def halves(count: int, repeats: int = REPEATS, seed: int = 0) -> Floats:
    """Weights 0 and 1, float64 [repeats, count]: each row has one half of the images."""
    draws = np.random.default_rng(seed).random((repeats, count))
    return (draws.argsort(axis=1) < count // 2).astype(np.float64)


def interval(value: float, samples: Floats) -> tuple[float, float]:
    """The bounds of a figure from its values on halves, float64 [repeats]; not cut to 0 and 1."""
    low, high = np.quantile(samples, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    mean = samples.mean()
    centre = value - _LEFT * (mean - value)
    return float(centre - (high - mean)), float(centre + (mean - low))


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
