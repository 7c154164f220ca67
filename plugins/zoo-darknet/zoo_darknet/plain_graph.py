"""What PyTorch's exporter leaves in a graph, made plain for parsers and quantisers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import ModelProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onnx import GraphProto, NodeProto


def plain(model: ModelProto) -> None:
    """Compute what depends on constants alone, leave Identity out, and let MaxPool pad. In place.

    The scales of a Resize and the pads of a Pad become initialisers so; PyTorch's exporter folds
    them only where it has the weights as well.
    """
    _compute_constants(model)
    _leave_identities_out(model.graph)
    _pad_in_pools(model.graph)


def _compute_constants(model: ModelProto) -> None:
    graph = model.graph
    known = {tensor.name for tensor in graph.initializer}
    computed: list[NodeProto] = []
    kept: list[NodeProto] = []
    for node in graph.node:
        constant = known.issuperset(node.input)
        (computed if constant else kept).append(node)
        known.update(node.output if constant else ())
    used = list(dict.fromkeys(name for node in kept for name in node.input if name in known))
    part = helper.make_graph(
        computed, "constants", [], [helper.make_empty_tensor_value_info(name) for name in used]
    )
    part.initializer.extend(graph.initializer)
    whole = helper.make_model(part, opset_imports=model.opset_import)
    values = ReferenceEvaluator(whole).run(None, {})
    _set_nodes(graph, kept)
    del graph.initializer[:]
    for name, value in zip(used, values, strict=True):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def _leave_identities_out(graph: GraphProto) -> None:
    """The exporter makes one tensor of equal weights, and an Identity of each further one."""
    results = {value.name for value in graph.output}
    same: dict[str, str] = {}
    kept = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in results:
            same[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    _set_nodes(graph, kept)


def _pad_in_pools(graph: GraphProto) -> None:
    """A Pad with -inf before a MaxPool becomes its own pads: quantisers know no infinity."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}
    gone = []
    for node in graph.node:
        pad = makers.get(node.input[0]) if node.op_type == "MaxPool" else None
        if pad is None or pad.op_type != "Pad" or len(pad.input) < 3:
            continue
        value = numpy_helper.to_array(constants[pad.input[2]])
        pads = numpy_helper.to_array(constants[pad.input[1]]).tolist()
        if value != -np.inf or any(pads[:2] + pads[4:6]):
            continue
        (own,) = (each for each in node.attribute if each.name == "pads")
        own.ints[:] = [*pads[2:4], *pads[6:8]]
        node.input[0] = pad.input[0]
        gone.append(pad.output[0])
    _set_nodes(graph, [node for node in graph.node if node.output[0] not in gone])
    used = {name for node in graph.node for name in node.input}
    left = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(left)


def _set_nodes(graph: GraphProto, nodes: Iterable[NodeProto]) -> None:
    copies = list(nodes)
    del graph.node[:]
    graph.node.extend(copies)
