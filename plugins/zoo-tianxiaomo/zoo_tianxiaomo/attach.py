"""A traced graph gets its weights, with the batch normalisations folded into the convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, numpy_helper

from zoo_core.errors import StageError
from zoo_tianxiaomo.layout import INPUT
from zoo_tianxiaomo.onnx_graph import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor of the state dict, and the factor of each output channel if it has one."""

    tensor: Tensor
    factor: Tensor | None = None

    def array(self) -> NDArray[Any]:
        """The values, computed anew at each call so that all of them are never held twice."""
        if self.factor is None:
            return np.ascontiguousarray(self.tensor.numpy())
        return np.ascontiguousarray((self.tensor * self.factor.reshape(-1, 1, 1, 1)).numpy())


def attach(model: ModelProto, state: Mapping[str, Tensor]) -> dict[str, Callable[[], NDArray[Any]]]:
    """Make an initialiser of each input that `state` has, in place.

    Large ones are left without values; what makes those is returned by name. A normalisation after
    a convolution goes: its scale g / sqrt(v + eps) multiplies the kernels, and b - m times the
    scale becomes their bias, in float32 as PyTorch's exporter computes it. Raises StageError for an
    input that `state` lacks, or a normalisation after something else.
    """
    graph = model.graph
    made = {node.output[0]: node for node in graph.node}
    nodes: list[NodeProto] = []
    folded: dict[str, Constant] = {}
    renamed: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            folded.update(_fold(made.get(node.input[0]), node, state))
            renamed[node.output[0]] = node.input[0]
            continue
        nodes.append(node)
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
    copies = list(nodes)
    del graph.node[:]
    graph.node.extend(copies)
    return _initialised(model, {n: folded.get(n) or _given(state, n) for n in _unmade(model)})


def _fold(
    conv: NodeProto | None, norm: NodeProto, state: Mapping[str, Tensor]
) -> dict[str, Constant]:
    """The convolution's new kernels and bias."""
    if conv is None or conv.op_type != "Conv" or len(conv.input) != 2:
        raise StageError(f"'{norm.name}' follows no convolution without bias")
    weight = conv.input[1]
    scale, shift, mean, variance = (state[name] for name in norm.input[1:5])
    (epsilon,) = (each.f for each in norm.attribute if each.name == "epsilon")
    factor = scale / (variance + epsilon).sqrt()
    bias = f"{weight.removesuffix('weight')}bias"
    conv.input.append(bias)
    return {
        weight: Constant(state[weight], factor),
        bias: Constant((0 - mean) * factor + shift),
    }


def _given(state: Mapping[str, Tensor], name: str) -> Constant:
    if name not in state:
        raise StageError(f"the traced graph reads '{name}', which the weights lack")
    return Constant(state[name])


def _unmade(model: ModelProto) -> Iterator[str]:
    """Tensors that nodes read and nothing in the graph gives, but for its input."""
    graph = model.graph
    known = {name for node in graph.node for name in node.output}
    known.update(tensor.name for tensor in graph.initializer)
    known.add(INPUT)
    read = dict.fromkeys(name for node in graph.node for name in node.input if name)
    yield from (name for name in read if name not in known)


def _initialised(
    model: ModelProto, values: Mapping[str, Constant]
) -> dict[str, Callable[[], NDArray[Any]]]:
    graph = model.graph
    large = {name: value for name, value in values.items() if value.tensor.numel() > SMALL}
    for name, value in values.items():
        if name in large:
            shape = value.tensor.shape
            graph.initializer.add(name=name, data_type=TensorProto.FLOAT, dims=shape)
        else:
            graph.initializer.append(numpy_helper.from_array(value.array(), name))
    kept = [each for each in graph.input if each.name == INPUT]
    del graph.input[:]
    graph.input.extend(kept)
    return {name: value.array for name, value in large.items()}
