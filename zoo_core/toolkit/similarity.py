"""How near the outputs of two forms of a network are, and the input both are run on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Graph, TensorSpec

SEED = 20
POOR_DB = 6.0
"""Below this the difference is half as large as the signal: hardly the same network."""


def snr_db(reference: NDArray[Any], measured: NDArray[Any]) -> float:
    """Signal over difference, 10 log10(sum a^2 / sum (a - b)^2), in float64.

    inf where both are equal; -inf where nothing can be compared: other shapes, numbers that are not
    finite, or a reference that is 0 everywhere.
    """
    if reference.shape != measured.shape:
        return -math.inf
    a, b = reference.astype(np.float64), measured.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        signal, noise = float(np.sum(a**2)), float(np.sum((a - b) ** 2))
    if not (math.isfinite(signal) and math.isfinite(noise)):
        return -math.inf
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def ratios_db(reference: Sequence[NDArray[Any]], measured: Sequence[NDArray[Any]]) -> list[float]:
    """`snr_db` of each output; raises ValueError where their numbers differ."""
    return [snr_db(a, b) for a, b in zip(reference, measured, strict=True)]


def rounded(ratios: Sequence[float]) -> list[float | None]:
    """The ratios as a report holds them: a tenth of a dB, None for what JSON has no number for."""
    return [None if math.isinf(ratio) else round(ratio, 1) for ratio in ratios]


def by_output(graph: Graph, ratios: Sequence[float]) -> dict[str, float | None]:
    """The ratios of a graph's outputs by name, as a report holds them."""
    return dict(zip((spec.name for spec in graph.outputs), rounded(ratios), strict=True))


def poor(precision: str, graph: Graph, ratios: Sequence[float]) -> list[str]:
    """A warning for each output of the graph that is hardly the float network's any more."""
    warnings = []
    for spec, ratio in zip(graph.outputs, ratios, strict=True):
        what = f"keeps only {ratio:.1f} dB of the float network's signal"
        if ratio == -math.inf:
            what = "cannot be compared: its values or the float network's are not finite or all 0"
        if ratio < POOR_DB:
            warnings.append(f"{precision}: output '{spec.name}' {what}")
    return warnings


def seeded_feeds(inputs: Sequence[TensorSpec], batch: int) -> dict[str, NDArray[Any]]:
    """One float32 input in [0, 1) for each spec, of so many images where the batch is free.

    Raises UsageError where a dimension other than the first is free, or for other dtypes.
    """
    generator = np.random.default_rng(SEED)
    feeds = {}
    for spec in inputs:
        sizes = [
            batch if axis == 0 and isinstance(n, str) else n for axis, n in enumerate(spec.shape)
        ]
        shape = [size for size in sizes if isinstance(size, int)]
        if len(shape) < len(sizes) or spec.dtype != "float32":
            raise UsageError(
                f"input '{spec.name}' is {spec.dtype} {list(spec.shape)}",
                next="export float32 inputs of a fixed size; only the batch may be free",
            )
        feeds[spec.name] = generator.random(shape, dtype=np.float32)
    return feeds
