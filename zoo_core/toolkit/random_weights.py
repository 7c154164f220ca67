"""Seeded random weights whose activations stay near one, so that all values are finite.

The statistics of each normalisation are set while a seeded picture runs through the network, from
the mean square of what reaches it. That is rounded to the next fourth root of two, which hides how
processors differ in the last digits: the weights are the same on every machine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

_PATCH = 16
_STEPS = 4


def uniform(shape: tuple[int, ...], bits: np.random.Philox) -> NDArray[np.float64]:
    """The next numbers of a generator, float64 in [0, 1) with 24 random bits each."""
    # Raw words, as NumPy promises those to stay the same from release to release.
    words: NDArray[Any] = bits.random_raw(math.prod(shape)) >> np.uint64(40)
    return (words * 2.0**-24).reshape(shape)


def he_bound(shape: tuple[int, ...]) -> float:
    """Kernels [outputs, ...] uniform within this bound have He's variance (He et al. 2015)."""
    return math.sqrt(6 / math.prod(shape[1:]))


def fit_normalisations(
    network: nn.Module, bits: np.random.Philox, extent: tuple[int, int, int]
) -> None:
    """Scale each normalisation's statistics, drawn for a mean square of one, to what arrives.

    `extent` is (channels, height, width) of the picture; the network is left in inference mode.
    """
    import torch
    from torch import nn

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(_scale_to_input) for norm in norms]
    with torch.no_grad():
        network.eval()(torch.from_numpy(_picture(bits, extent)))
    for hook in hooks:
        hook.remove()


def _scale_to_input(norm: Any, inputs: tuple[Tensor]) -> None:
    square = max(inputs[0].double().square().mean().item(), 1e-12)
    moment = 2.0 ** (round(_STEPS * math.log2(square)) / _STEPS)
    norm.running_var.mul_(moment)
    norm.running_mean.mul_(math.sqrt(moment))


def _picture(bits: np.random.Philox, extent: tuple[int, int, int]) -> NDArray[np.float32]:
    """Coloured patches under noise, float32 [1, channels, height, width] in 0..1."""
    channels, height, width = extent
    patches = uniform((channels, -(-height // _PATCH), -(-width // _PATCH)), bits)
    large = patches.repeat(_PATCH, 1).repeat(_PATCH, 2)[:, :height, :width]
    return (0.7 * large + 0.3 * uniform(extent, bits)).astype(np.float32)[None]
