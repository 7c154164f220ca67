"""The arithmetic of int8: scales, zero points, and quantised constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BYTE_MAX = 255
FULL, REDUCED = 127, 63
"""Largest magnitudes of an int8 weight; the second leaves AVX2's 16-bit sums room."""

_BIAS_MAX = float(1 << 30)
_LEAST_ACTIVATION, _LEAST_WEIGHT = 1e-12, 1e-20  # so that products stay normal float32 numbers


@dataclass(frozen=True, slots=True)
class Affine:
    """Unsigned bytes q that stand for scale (q - zero_point)."""

    scale: np.float32
    zero_point: int

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and highest value that a byte stands for."""
        low, high = (float(self.scale * np.float32(q - self.zero_point)) for q in (0, BYTE_MAX))
        return low, high


@dataclass(frozen=True, slots=True)
class Weights:
    """Integers in the weights' shape, and one scale for each output channel."""

    values: NDArray[np.int8]
    scales: NDArray[np.float32]


def activation(low: float, high: float) -> Affine:
    """The mapping whose 256 values span [low, high] widened to hold zero, which is exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / BYTE_MAX, _LEAST_ACTIVATION)
    return Affine(np.float32(scale), min(max(round(-low / scale), 0), BYTE_MAX))


def weights(
    values: NDArray[np.float32], bias: NDArray[np.float32] | None, scale: float, largest: int
) -> Weights:
    """Symmetric int8 per output channel (the first axis); `scale` is the input's.

    A channel whose bias would not fit in 32 bits (its weights are next to nothing) gets a larger
    scale: its weights then round to zero and its bias is kept.
    """
    flat = np.abs(values.reshape(values.shape[0], -1))
    scales = flat.max(axis=1).astype(np.float64) / largest
    if bias is not None:
        scales = np.maximum(scales, np.abs(bias.astype(np.float64)) / (scale * _BIAS_MAX))
    scales = np.maximum(scales, _LEAST_WEIGHT).astype(np.float32)
    column = scales.reshape(-1, *[1] * (values.ndim - 1))
    integers = np.empty(values.shape, np.int8)
    for channel in range(values.shape[0]):  # one at a time: no second copy of all weights
        rounded = np.rint(values[channel] / column[channel])
        integers[channel] = np.clip(rounded, -largest, largest).astype(np.int8)
    return Weights(integers, scales)


def bias_integers(bias: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.int32]:
    """A bias as int32, given the product of input scale and weight scale of each channel."""
    rounded = np.rint(bias.astype(np.float64) / scales.astype(np.float64))
    return np.clip(rounded, -_BIAS_MAX, _BIAS_MAX).astype(np.int32)
