"""Seeded random weights; see `zoo_core.toolkit.random_weights`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zoo_core.toolkit.random_weights import fit_normalisations, he_bound, uniform
from zoo_tianxiaomo.blocks import OutputConv

if TYPE_CHECKING:
    from zoo_tianxiaomo.network import Yolov4

_EXTENT = (3, 256, 256)
_AT_ONCE = 1 << 15


def fill_randomly(network: Yolov4, seed: int) -> None:
    """Give every parameter and buffer of `network` its value; `seed` is from 0 to 2**128 - 1."""
    bits = np.random.Philox(key=seed)
    state = {key: _values(key, value, bits) for key, value in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    fit_normalisations(network, bits, _EXTENT)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, OutputConv):
                # Nothing normalises a head, so it must allow for pictures unlike this one.
                for kernel in (value for value in module.parameters() if value.dim() == 4):
                    kernel.mul_(0.5)


def _values(key: str, like: Tensor, bits: np.random.Philox) -> Tensor:
    if like.dtype == torch.int64:
        return torch.zeros((), dtype=torch.int64)
    low, high = -0.2, 0.2
    if key.endswith("conv.0.weight"):
        high = he_bound(tuple(like.shape))
        low = -high
    elif key.endswith("conv.0.bias"):
        low, high = -1, 1
    elif key.endswith(("conv.1.weight", "running_var")):
        low, high = 0.75, 1.25
    values = np.empty(math.prod(like.shape), np.float32)
    for start in range(0, len(values), _AT_ONCE):  # few at a time for the cache
        part = values[start : start + _AT_ONCE]
        part[:] = low + (high - low) * uniform((len(part),), bits)
    return torch.from_numpy(values).view(like.shape)
