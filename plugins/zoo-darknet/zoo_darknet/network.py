"""A darknet network as a PyTorch module that ONNX exporters trace cleanly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_darknet.operations import (
    Convolution,
    GlobalMean,
    Pool,
    Product,
    Route,
    Shortcut,
    SpaceToDepth,
    Upsample,
    Yolo,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo_darknet.operations import Operation, Shape
    from zoo_darknet.topology import Layer, Topology

_BN_EPSILON = 1e-5
_LEAKY_SLOPE = 0.1


class DarknetNetwork(nn.Module):
    """The network of a topology; `layers[i]` is darknet's layer i.

    Takes float32 [batch, channels, height, width] of the topology's size; gives its heads, raw, as
    float32 [batch, anchors * (5 + classes), rows, columns] in the cfg's order.
    """

    def __init__(self, topology: Topology) -> None:
        super().__init__()
        self.topology = topology
        self.layers = nn.ModuleList(_module(layer, topology) for layer in topology.layers)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The raw heads."""
        outputs: dict[int, Tensor] = {-1: x}
        for index, module in enumerate(self.layers):
            outputs[index] = module(outputs)
            for done in self.topology.drops[index]:
                outputs.pop(done, None)
        heads = (layer for layer in self.topology.layers if isinstance(layer.operation, Yolo))
        return tuple(outputs[layer.index] for layer in heads)


class Single(nn.Module):
    """A layer that reads only the output before it."""

    def __init__(self, index: int, body: nn.Module) -> None:
        super().__init__()
        self.before = index - 1
        self.body = body

    def forward(self, outputs: Mapping[int, Tensor]) -> Tensor:
        """The body's output."""
        return self.body(outputs[self.before])  # type: ignore[no-any-return]


class ConvolutionLayer(nn.Sequential):
    """Convolution, normalisation where there is one, activation."""

    def __init__(self, operation: Convolution) -> None:
        self_bias = not operation.normalized
        conv = nn.Conv2d(
            operation.inputs,
            operation.filters,
            operation.size,
            operation.stride,
            operation.padding,
            operation.dilation,
            operation.groups,
            bias=self_bias,
        )
        parts: list[nn.Module] = [conv]
        if operation.normalized:
            parts.append(nn.BatchNorm2d(operation.filters, eps=_BN_EPSILON))
        if operation.activation != "linear":
            parts.append(_activation(operation.activation))
        super().__init__(*parts)


class PoolLayer(nn.Module):
    """Maximum or mean over windows, of the cells inside the map only."""

    counts: Tensor | None

    def __init__(self, operation: Pool, given: Shape) -> None:
        super().__init__()
        self.operation = operation
        top, bottom, left, right = operation.padding
        self.pad = (left, right, top, bottom)
        self.symmetric = top == bottom == left == right
        self.register_buffer("counts", _shares(operation, given) if operation.mean else None)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, height, width] -> the same with darknet's output size."""
        size, stride = self.operation.size, self.operation.stride
        if self.counts is not None:
            x = functional.pad(x, self.pad) if any(self.pad) else x
            return functional.avg_pool2d(x, size, stride) * self.counts
        if self.symmetric:
            return functional.max_pool2d(x, size, stride, self.pad[0])
        padded = functional.pad(x, self.pad, value=float("-inf"))
        return functional.max_pool2d(padded, size, stride)


class RouteLayer(nn.Module):
    """Parts of earlier outputs, side by side."""

    def __init__(self, operation: Route, topology: Topology) -> None:
        super().__init__()
        self.parts = tuple(
            (index, _part(topology.layers[index].shape.channels, operation))
            for index in operation.sources
        )
        self.whole = operation.groups == 1

    def forward(self, outputs: Mapping[int, Tensor]) -> Tensor:
        """[batch, sum of the parts' channels, height, width]."""
        if self.whole:
            parts = [outputs[index] for index, _ in self.parts]
        else:
            parts = [outputs[index][:, begin:end] for index, (begin, end) in self.parts]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


class ShortcutLayer(nn.Module):
    """The sum over the channels that both sides have."""

    def __init__(self, layer: Layer, operation: Shortcut, topology: Topology) -> None:
        super().__init__()
        self.before = layer.index - 1
        self.channels = layer.shape.channels
        self.sources = tuple(
            (index, min(topology.layers[index].shape.channels, self.channels))
            for index in operation.sources
        )
        self.wide = tuple(
            topology.layers[index].shape.channels > self.channels for index in operation.sources
        )
        self.activation = _activation(operation.activation)

    def forward(self, outputs: Mapping[int, Tensor]) -> Tensor:
        """[batch, channels of the input, height, width]."""
        x = outputs[self.before]
        for (index, shared), wide in zip(self.sources, self.wide, strict=True):
            other = outputs[index][:, :shared] if wide else outputs[index]
            if shared == self.channels:
                x = x + other
            else:
                x = torch.cat([x[:, :shared] + other, x[:, shared:]], dim=1)
        return self.activation(x)  # type: ignore[no-any-return]


class ProductLayer(nn.Module):
    """The input times an earlier output."""

    def __init__(self, index: int, operation: Product) -> None:
        super().__init__()
        self.before = index - 1
        self.source = operation.source
        self.activation = _activation(operation.activation)

    def forward(self, outputs: Mapping[int, Tensor]) -> Tensor:
        """[batch, channels, height, width]."""
        product = outputs[self.before] * outputs[self.source]
        return self.activation(product)  # type: ignore[no-any-return]


class SpaceToDepthLayer(nn.Module):
    """Blocks of cells become channels, in the order block row, block column, channel."""

    def __init__(self, operation: SpaceToDepth, given: Shape) -> None:
        super().__init__()
        step = operation.stride
        rows, columns = given.height // step, given.width // step
        self.blocks = (-1, given.channels, rows, step, columns, step)
        self.result = (-1, given.channels * step**2, rows, columns)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, c, h, w] -> [batch, c * stride^2, h / stride, w / stride]."""
        return x.reshape(self.blocks).permute(0, 3, 5, 1, 2, 4).reshape(self.result)


class UpsampleLayer(nn.Module):
    """Nearest neighbour, by a whole factor."""

    def __init__(self, operation: Upsample) -> None:
        super().__init__()
        self.factor = float(operation.factor)
        self.scale = operation.scale

    def forward(self, x: Tensor) -> Tensor:
        """[batch, c, h, w] -> [batch, c, h * factor, w * factor]."""
        large = functional.interpolate(x, scale_factor=self.factor, mode="nearest")
        return large if self.scale == 1 else large * self.scale


class Mish(nn.Module):
    """x * tanh(softplus(x)) in basic operations, which every backend knows (Misra, 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * torch.tanh(functional.softplus(x))


class HardMish(nn.Module):
    """x above 0, x * (x + 2) / 2 down to -2, 0 below (darknet's form)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return torch.clamp(x + 2, 0, 2) * x / 2


class GlobalMeanLayer(nn.Module):
    """The mean of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, c, h, w] -> [batch, c, 1, 1]."""
        return x.mean(dim=(2, 3), keepdim=True)


def _module(layer: Layer, topology: Topology) -> nn.Module:
    operation, index = layer.operation, layer.index
    if isinstance(operation, Route):
        return RouteLayer(operation, topology)
    if isinstance(operation, Shortcut):
        return ShortcutLayer(layer, operation, topology)
    if isinstance(operation, Product):
        return ProductLayer(index, operation)
    given = topology.layers[index - 1].shape if index else topology.input
    return Single(index, _body(operation, given))


def _body(operation: Operation, given: Shape) -> nn.Module:
    match operation:
        case Convolution():
            return ConvolutionLayer(operation)
        case Pool():
            return PoolLayer(operation, given)
        case Upsample():
            return UpsampleLayer(operation)
        case SpaceToDepth():
            return SpaceToDepthLayer(operation, given)
        case GlobalMean():
            return GlobalMeanLayer()
        case _:
            return nn.Identity()


def _activation(name: str) -> nn.Module:
    makers: dict[str, Callable[[], nn.Module]] = {
        "elu": nn.ELU,
        "hard_mish": HardMish,
        "leaky": lambda: nn.LeakyReLU(_LEAKY_SLOPE),
        "linear": nn.Identity,
        "logistic": nn.Sigmoid,
        "mish": Mish,
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "swish": nn.SiLU,
        "tanh": nn.Tanh,
    }
    return makers[name]()


def _part(channels: int, operation: Route) -> tuple[int, int]:
    width = channels // operation.groups
    return width * operation.group, width * (operation.group + 1)


def _shares(operation: Pool, given: Shape) -> Tensor:
    """What to multiply a mean over whole windows by, to make it one over the cells inside."""
    top, bottom, left, right = operation.padding
    ones = functional.pad(torch.ones(1, 1, given.height, given.width), (left, right, top, bottom))
    return 1 / functional.avg_pool2d(ones, operation.size, operation.stride)
