"""Seeded random weights under which activations stay near one and few boxes are found.

Kernels are uniform with He's variance (He et al. 2015). Each normalisation divides by what reaches
it when a seeded picture runs through the network, rounded to a power of the fourth root of two: so
the last digits, in which processors differ, do not matter. Heads start from a low objectness
(Lin et al. 2017), as those of trained networks do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from zoo_darknet.network import ConvolutionLayer, DarknetNetwork, Single
from zoo_darknet.operations import Yolo

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATCH = 16
_STEPS = 4
_OBJECTNESS = -7.0


def fill_randomly(network: DarknetNetwork, seed: int) -> None:
    """Give every parameter and buffer of `network` its value."""
    bits = np.random.Philox(key=seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                _fill(module, bits)
            elif isinstance(module, nn.BatchNorm2d):
                _fill_norm(module, bits)
        for conv, head in _outputs(network):
            if conv.bias is not None:
                conv.bias.view(len(head.anchors), -1)[:, 4] = _OBJECTNESS
        _settle(network, bits)


def _fill(conv: nn.Conv2d, bits: np.random.Philox) -> None:
    bound = math.sqrt(6 / math.prod(conv.weight.shape[1:]))
    conv.weight.copy_((2 * _uniform(tuple(conv.weight.shape), bits) - 1) * bound)
    if conv.bias is not None:
        conv.bias.zero_()


def _fill_norm(norm: nn.BatchNorm2d, bits: np.random.Philox) -> None:
    norm.reset_parameters()
    norm.weight.copy_(0.75 + 0.5 * _uniform((norm.num_features,), bits))
    norm.bias.copy_(0.4 * _uniform((norm.num_features,), bits) - 0.2)


def _outputs(network: DarknetNetwork) -> Iterator[tuple[nn.Conv2d, Yolo]]:
    """The convolutions right before heads, each with its head."""
    for before, after in zip(network.layers, network.topology.layers[1:], strict=False):
        head = after.operation
        if not (isinstance(head, Yolo) and isinstance(before, Single)):
            continue
        if isinstance(before.body, ConvolutionLayer):
            conv = before.body[0]
            assert isinstance(conv, nn.Conv2d)
            yield conv, head


def _settle(network: DarknetNetwork, bits: np.random.Philox) -> None:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(_scale_to_input) for norm in norms]
    network.eval()(_picture(network, bits))
    for hook in hooks:
        hook.remove()


def _scale_to_input(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    square = inputs[0].double().square().mean().item()
    norm.running_var.fill_(2.0 ** (round(_STEPS * math.log2(square)) / _STEPS))


def _picture(network: DarknetNetwork, bits: np.random.Philox) -> Tensor:
    """Patches under noise, float32 [1, channels, height, width] in 0..1."""
    given = network.topology.input
    rows, columns = -(-given.height // _PATCH), -(-given.width // _PATCH)
    patches = _uniform((given.channels, rows, columns), bits)
    large = patches.repeat_interleave(_PATCH, 1).repeat_interleave(_PATCH, 2)
    noise = _uniform((given.channels, given.height, given.width), bits)
    return (0.7 * large[:, : given.height, : given.width] + 0.3 * noise)[None]


def _uniform(shape: tuple[int, ...], bits: np.random.Philox) -> Tensor:
    # Raw words, as NumPy promises those to stay the same from release to release.
    words = bits.random_raw(math.prod(shape)) >> np.uint64(40)
    return torch.from_numpy((words * 2.0**-24).astype(np.float32)).view(shape)
