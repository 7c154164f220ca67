"""Networks in float16 as float32 ones: the same weights, which engines quantise and run on CPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import AttributeProto, TensorProto, numpy_helper

from zoo_onnx.nodes import inner_graphs

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_TYPES = frozenset({"to", "dtype", "output_dtype"})
"""Attributes whose number is a type."""


def is_half(model: ModelProto) -> bool:
    """Whether a model holds float16 anywhere that an initialiser, an input or an output shows."""
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    ends = (*model.graph.input, *model.graph.output)
    kinds.update(value.type.tensor_type.elem_type for value in ends)
    return TensorProto.FLOAT16 in kinds


def widen(model: ModelProto) -> int:
    """Make all float16 of a model float32, in place; returns how many tensors and casts were."""
    del model.graph.value_info[:]
    return _graph(model.graph)


def _graph(graph: GraphProto) -> int:
    found = sum(map(_tensor, graph.initializer))
    found += sum(_tensor(sparse.values) for sparse in graph.sparse_initializer)
    for value in (*graph.input, *graph.output, *graph.value_info):
        tensor = value.type.tensor_type
        if tensor.elem_type == TensorProto.FLOAT16:
            tensor.elem_type = TensorProto.FLOAT
            found += 1
    return found + sum(map(_node, graph.node))


def _node(node: NodeProto) -> int:
    found = sum(_graph(inner) for inner in inner_graphs(node))
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            found += _tensor(attribute.t)
        elif attribute.name in _TYPES and attribute.i == TensorProto.FLOAT16:
            attribute.i = TensorProto.FLOAT
            found += 1
    return found


def _tensor(tensor: TensorProto) -> int:
    if tensor.data_type != TensorProto.FLOAT16:
        return 0
    values = numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return 1
