"""How far a tensor is from the float one, summed over images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 1 << 16
"""Values whose products are summed in float32 before the sum goes on in float64."""


@dataclass(frozen=True, slots=True)
class Affine:
    """What integers q of a tensor stand for: scale (q - zero_point)."""

    scale: float
    zero_point: int


@dataclass(slots=True)
class Sums:
    """Products of a float tensor a and a measured one b, summed over images in float64."""

    signal: float = 0.0
    measured: float = 0.0
    both: float = 0.0
    noise: float = 0.0

    def add(self, a: NDArray[Any], b: NDArray[Any], affine: Affine | None = None) -> None:
        """Take in a tensor; `affine` says what integers in `b` stand for.

        Where the shapes differ nothing can be told from here on.
        """
        if a.shape != b.shape:
            self.signal = math.nan
            return
        flat, other = a.ravel(), b.ravel()
        for start in range(0, flat.size, _BLOCK):
            x = flat[start : start + _BLOCK].astype(np.float32, copy=False)
            y = other[start : start + _BLOCK].astype(np.float32)
            if affine is not None:
                y -= np.float32(affine.zero_point)
                y *= np.float32(affine.scale)
            self.signal += float(x @ x)
            self.measured += float(y @ y)
            self.both += float(x @ y)
            y -= x
            self.noise += float(y @ y)

    @property
    def snr_db(self) -> float | None:
        """10 log10(sum a^2 / sum (a - b)^2); None where both are equal or a is 0 everywhere."""
        if not (self.signal and self.noise) or not math.isfinite(self.signal + self.noise):
            return None
        return 10 * math.log10(self.signal / self.noise)

    @property
    def cosine(self) -> float | None:
        """Sum a b / sqrt(sum a^2 sum b^2); None where one of them is 0 everywhere."""
        size = math.sqrt(self.signal) * math.sqrt(self.measured)
        if not size or not math.isfinite(size):
            return None
        return 1.0 if not self.noise else min(1.0, max(-1.0, self.both / size))

    def figures(self) -> dict[str, float | None]:
        """Both, rounded, as layers.json has them."""
        snr, cosine = self.snr_db, self.cosine
        return {
            "snr_db": None if snr is None else round(snr, 2),
            "cosine": None if cosine is None else round(cosine, 6),
        }
