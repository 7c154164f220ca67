"""Values into a network: from a .weights file, or made from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from zoo_darknet.network import ConvolutionLayer, DarknetNetwork, Single

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from zoo_core.toolkit.darknet_weights import WeightsReader


def load_weights(network: DarknetNetwork, reader: WeightsReader) -> None:
    """Fill a network from a file that must hold exactly its values; raises `DataError`."""
    reader.expect(network.topology.values)
    for name, tensor in file_order(network):
        values = reader.take(tensor.numel(), name)
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values.copy()).view_as(tensor))
    reader.finish()


def file_order(network: DarknetNetwork) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a network in the order of a .weights file.

    Per convolution: biases, then with normalisation scales, means and variances, then the kernel.
    """
    for layer, module in zip(network.topology.layers, network.layers, strict=True):
        if not (isinstance(module, Single) and isinstance(module.body, ConvolutionLayer)):
            continue
        conv, *rest = module.body
        assert isinstance(conv, nn.Conv2d)
        norm = rest[0] if rest and isinstance(rest[0], nn.BatchNorm2d) else None
        for what, tensor in _tensors(conv, norm):
            yield f"{layer.name} {what}", tensor


def _tensors(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> Iterator[tuple[str, Tensor]]:
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        yield "biases", norm.bias
        yield "scales", norm.weight
        yield "means", norm.running_mean
        yield "variances", norm.running_var
    elif conv.bias is not None:
        yield "biases", conv.bias
    yield "kernel", conv.weight
