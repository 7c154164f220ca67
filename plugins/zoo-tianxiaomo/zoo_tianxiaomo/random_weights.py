"""Seeded random weights whose activations stay of the size of one, so that all values are finite.

Kernels are uniform with He's variance (He et al. 2015). The statistics of each normalisation are
set while a seeded picture runs through the network, from the mean square of what reaches it. That
is rounded to the next fourth root of two, which hides how processors differ in the last digits:
the weights are the same on every machine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo_tianxiaomo.blocks import OutputConv

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zoo_tianxiaomo.network import Yolov4

    _Float64 = NDArray[np.float64]

_PICTURE = 256
_PATCH = 16
_STEPS = 4
_AT_ONCE = 1 << 15


def fill_randomly(network: Yolov4, seed: int) -> None:
    """Give every parameter and buffer of `network` its value; `seed` is from 0 to 2**128 - 1."""
    bits = np.random.Philox(key=seed)
    state = {key: _values(key, value, bits) for key, value in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(_scale_to_input) for norm in norms]
    with torch.no_grad():
        network.eval()(_picture(bits))
        for module in network.modules():
            if isinstance(module, OutputConv):
                # Nothing normalises a head, so it must allow for pictures unlike this one.
                for kernel in (value for value in module.parameters() if value.dim() == 4):
                    kernel.mul_(0.5)
    for hook in hooks:
        hook.remove()


def _values(key: str, like: Tensor, bits: np.random.Philox) -> Tensor:
    if like.dtype == torch.int64:
        return torch.zeros((), dtype=torch.int64)
    if key.endswith("conv.0.weight"):
        bound = math.sqrt(6 / math.prod(like.shape[1:]))
        drawn = _drawn(math.prod(like.shape), bits, lambda uniform: (2 * uniform - 1) * bound)
    elif key.endswith("conv.0.bias"):
        drawn = _drawn(math.prod(like.shape), bits, lambda uniform: 2 * uniform - 1)
    elif key.endswith(("conv.1.weight", "running_var")):
        drawn = _drawn(math.prod(like.shape), bits, lambda uniform: 0.75 + 0.5 * uniform)
    else:
        drawn = _drawn(math.prod(like.shape), bits, lambda uniform: 0.4 * uniform - 0.2)
    return torch.from_numpy(drawn).view(like.shape)


def _drawn(
    count: int, bits: np.random.Philox, form: Callable[[_Float64], _Float64]
) -> NDArray[np.float32]:
    """Numbers that `form` makes of uniform ones, float32 [count], few at a time for the cache."""
    values = np.empty(count, np.float32)
    for start in range(0, count, _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        part[:] = form(_uniform(len(part), bits))
    return values


def _scale_to_input(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Statistics drawn for a mean square of one become those for the mean square that arrives."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    square = max(inputs[0].double().square().mean().item(), 1e-12)
    moment = 2.0 ** (round(_STEPS * math.log2(square)) / _STEPS)
    norm.running_var.mul_(moment)
    norm.running_mean.mul_(math.sqrt(moment))


def _picture(bits: np.random.Philox) -> Tensor:
    """Coloured patches under noise, float32 [1, 3, 256, 256] in 0..1."""
    cells = _PICTURE // _PATCH
    patches = _uniform(3 * cells * cells, bits).reshape(3, cells, cells)
    noise = _uniform(3 * _PICTURE * _PICTURE, bits).reshape(3, _PICTURE, _PICTURE)
    mixed = 0.7 * patches.repeat(_PATCH, 1).repeat(_PATCH, 2) + 0.3 * noise
    return torch.from_numpy(mixed.astype(np.float32)[None])


def _uniform(count: int, bits: np.random.Philox) -> NDArray[np.float64]:
    # Raw words, as NumPy promises those to stay the same from release to release.
    words: NDArray[Any] = bits.random_raw(count) >> np.uint64(40)
    return words * 2.0**-24
