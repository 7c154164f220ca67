"""Paired differences by their ranks: Wilcoxon's signed-rank test and Hodges and Lehmann's estimate.

Both assume that differences are independent and symmetric about what is estimated, not that they
are normal (Wilcoxon 1945; Hodges, Lehmann 1963). The null distribution is exact, without ties.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MOST = 400
"""Differences above which the exact distribution would take long."""


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much pairs differ: the estimate, an interval, the two-sided p of "not at all"."""

    estimate: float
    low: float
    high: float
    p: float


def shift(differences: ArrayLike, confidence: float = 0.95) -> Shift:
    """The pseudo-median of paired differences; raises ValueError for fewer than 6 or over `MOST`.

    The interval is that of all means of two differences (Walsh averages) which the test would not
    reject.
    """
    values = np.asarray(differences, np.float64).ravel()
    if not 6 <= values.size <= MOST:
        raise ValueError(f"{values.size} differences, not 6 to {MOST}")
    rows, columns = np.triu_indices(values.size)
    walsh = np.sort((values[rows] + values[columns]) / 2)
    below = np.cumsum(signed_ranks(values.size))
    cut = int(np.searchsorted(below, (1 - confidence) / 2, side="right"))
    cut = max(cut, 1)
    ranks = int((walsh > 0).sum()), int((walsh < 0).sum())
    p = min(1.0, 2 * float(below[walsh.size - max(ranks)]))
    return Shift(float(np.median(walsh)), float(walsh[cut - 1]), float(walsh[-cut]), p)


@lru_cache(maxsize=8)
def signed_ranks(count: int) -> NDArray[np.float64]:
    """P[T = t] for t = 0 .. n (n + 1) / 2: the sum of the ranks 1 .. n with random signs."""
    chances = np.zeros(count * (count + 1) // 2 + 1)
    chances[0] = 1.0
    for rank in range(1, count + 1):
        chances[rank:] = (chances[rank:] + chances[:-rank]) / 2
        chances[:rank] /= 2
    return chances
