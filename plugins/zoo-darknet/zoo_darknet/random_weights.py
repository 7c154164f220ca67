"""Seeded random weights under which few boxes are detected; see `zoo_core.toolkit.random_weights`.

Heads start from a low objectness (Lin et al. 2017), as those of trained networks do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core.toolkit.random_weights import fit_normalisations, he_bound, uniform
from zoo_darknet.network import ConvolutionLayer, DarknetNetwork, Single
from zoo_darknet.operations import Yolo

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        picture = network.topology.input
        fit_normalisations(network, bits, (picture.channels, picture.height, picture.width))


def _fill(conv: nn.Conv2d, bits: np.random.Philox) -> None:
    shape = tuple(conv.weight.shape)
    conv.weight.copy_((2 * _drawn(shape, bits) - 1) * he_bound(shape))
    if conv.bias is not None:
        conv.bias.zero_()


def _fill_norm(norm: nn.BatchNorm2d, bits: np.random.Philox) -> None:
    norm.reset_parameters()
    norm.weight.copy_(0.75 + 0.5 * _drawn((norm.num_features,), bits))
    norm.bias.copy_(0.4 * _drawn((norm.num_features,), bits) - 0.2)


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


def _drawn(shape: tuple[int, ...], bits: np.random.Philox) -> Tensor:
    return torch.from_numpy(uniform(shape, bits).astype(np.float32))
