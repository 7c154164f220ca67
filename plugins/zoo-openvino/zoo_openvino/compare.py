"""How near two sets of outputs are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def ratios_db(
    reference: Sequence[NDArray[Any]], measured: Sequence[NDArray[Any]]
) -> list[float | None]:
    """Signal over difference of each output, in dB.

    None where they are equal; -inf where a number is not finite.
    """
    return [_ratio(a, b) for a, b in zip(reference, measured, strict=True)]


def _ratio(reference: NDArray[Any], measured: NDArray[Any]) -> float | None:
    a, b = reference.astype(np.float64), measured.astype(np.float64)
    signal, noise = float(np.sum(a**2)), float(np.sum((a - b) ** 2))
    if noise == 0.0:
        return None
    if not (math.isfinite(signal) and math.isfinite(noise)) or signal == 0.0:
        return -math.inf
    return 10 * math.log10(signal / noise)


def rounded(ratios: Sequence[float | None]) -> list[float | None]:
    """The ratios as a report holds them: a tenth of a dB, None for what JSON has no number for."""
    return [None if r is None or math.isinf(r) else round(r, 1) for r in ratios]
