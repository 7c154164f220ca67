"""Clips that can do nothing, because what they read was dequantised from fewer values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from onnx import numpy_helper

from zoo_onnxruntime.graph import constants, drop_unused_constants, replace_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import GraphProto, NodeProto, TensorProto


def drop_idle_clips(graph: GraphProto, spans: Mapping[str, tuple[float, float]]) -> int:
    """Remove each Clip whose bounds lie outside all values of its input; returns their number.

    `spans` holds the lowest and highest value of tensors where they are known for certain, as they
    are of dequantised ones. Every output of the graph stays computed by the node it was.
    """
    known = constants(graph)
    outputs = {value.name for value in graph.output}
    source: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "Clip" and node.output[0] not in outputs and node.input[0] in spans:
            low, high = spans[node.input[0]]
            if _bound(node, 1, -math.inf, known) <= low and high <= _bound(
                node, 2, math.inf, known
            ):
                source[node.output[0]] = node.input[0]
    nodes = [node for node in graph.node if node.output[0] not in source]
    for node in nodes:
        for place, name in enumerate(node.input):
            node.input[place] = source.get(name, name)
    replace_nodes(graph, nodes)
    drop_unused_constants(graph)
    return len(source)


def _bound(node: NodeProto, place: int, default: float, known: Mapping[str, TensorProto]) -> float:
    """A bound of a Clip; NaN, which no comparison holds for, where it is computed."""
    if len(node.input) <= place or not node.input[place]:
        return default
    tensor = known.get(node.input[place])
    return float(numpy_helper.to_array(tensor)) if tensor is not None else math.nan
