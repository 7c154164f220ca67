"""A graph cut into pieces that run one after the other, so that few tensors are held at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
from onnx import helper, shape_inference

from zoo_core.toolkit.onnx_file import MATRIX_OPERATORS, skeleton
from zoo_onnxruntime.graph import constants, live_nodes, uses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from onnx import ModelProto, NodeProto, ValueInfoProto

_SMALL = 4096
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece: a serialised model from `inputs` to `outputs`.

    `observed` are those outputs whose values are wanted; `kept` are the tensors, made here or
    earlier, that later segments read.
    """

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    observed: tuple[str, ...]
    kept: tuple[str, ...]


def split(
    model: ModelProto, observed: Sequence[str], shapes: Mapping[str, Sequence[int]], limit: int
) -> Iterator[Segment]:
    """Segments in order, each serialised only when it is asked for.

    `observed` are tensors whose values are wanted; nodes that none of them needs are left out.
    `shapes` are those of the graph's inputs. A segment ends when its observed tensors and its
    weights exceed `limit` bytes, all tensors that cross its end have a known type, and no matrix
    operator is parted from the pairs around it, which make it one on integers.
    """
    values = _inferred(model, shapes)
    weights = {t.name: _FLOAT_BYTES * math.prod(t.dims) for t in model.graph.initializer}
    nodes = live_nodes(model.graph.node, observed)
    last = {name: at for at, node in enumerate(nodes) for name in uses(node)}
    whole = _together(nodes)
    alive = [value.name for value in model.graph.input]
    own: list[NodeProto] = []
    made: list[str] = []
    size = 0
    for at, node in enumerate(nodes):
        own.append(node)
        made.extend(filter(None, node.output))
        kept = [name for name in (*alive, *made) if last.get(name, -1) > at]
        wanted = [name for name in made if name in observed]
        size += sum(weights.get(name, 0) for name in uses(node))
        size += sum(_bytes(values.get(name)) for name in node.output if name in observed)
        ends = size > limit and all(n in values and whole.get(n, -1) <= at for n in kept)
        if at + 1 < len(nodes) and not ends:
            continue
        outputs = tuple(dict.fromkeys([*wanted, *(name for name in kept if name in made)]))
        piece, inputs = _piece(model, own, outputs, values)
        yield Segment(piece, inputs, outputs, tuple(wanted), tuple(kept))
        alive, own, made, size = kept, [], [], 0


def _together(nodes: Sequence[NodeProto]) -> dict[str, int]:
    """Where tensors between a matrix operator and a pair are last read on the pair's other side."""
    makers = {name: node.op_type for node in nodes for name in node.output}
    found = {}
    for at, node in enumerate(nodes):
        for name in node.input:
            pair = (makers.get(name), node.op_type)
            into = pair[0] == "DequantizeLinear" and pair[1] in MATRIX_OPERATORS
            if into or (pair[0] in MATRIX_OPERATORS and pair[1] == "QuantizeLinear"):
                found[name] = at
    return found


def _piece(
    model: ModelProto,
    nodes: Sequence[NodeProto],
    outputs: Sequence[str],
    values: Mapping[str, ValueInfoProto],
) -> tuple[bytes, tuple[str, ...]]:
    """The nodes as a model of their own, and the names of its inputs."""
    made = {name for node in nodes for name in node.output}
    read = dict.fromkeys(name for node in nodes for name in uses(node))
    known = constants(model.graph)
    inputs = tuple(name for name in read if name not in made and name not in known)
    graph = helper.make_graph(
        nodes,
        "segment",
        [values[name] for name in inputs],
        [_value(values, name) for name in outputs],
        [known[name] for name in read if name in known],
    )
    piece = helper.make_model(
        graph, opset_imports=list(model.opset_import), ir_version=model.ir_version
    )
    return piece.SerializeToString(), inputs


def _value(values: Mapping[str, ValueInfoProto], name: str) -> ValueInfoProto:
    found = values.get(name)
    if found is not None:
        return found
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)


def _inferred(model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> dict[str, ValueInfoProto]:
    """Types and shapes of all tensors where they can be told, without copying the weights."""
    inputs = []
    known = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in known:
            kind = value.type.tensor_type.elem_type
            inputs.append(helper.make_tensor_value_info(value.name, kind, shapes[value.name]))
    outputs = [helper.make_empty_tensor_value_info(value.name) for value in model.graph.output]
    bare = skeleton(model, inputs, outputs, _SMALL)
    graph = shape_inference.infer_shapes(bare, data_prop=True).graph
    found = [*inputs, *graph.value_info, *graph.output]
    return {value.name: value for value in found if value.type.tensor_type.elem_type}


def _bytes(value: ValueInfoProto | None) -> int:
    if value is None:
        return 0
    sizes = [int(d.dim_value) for d in value.type.tensor_type.shape.dim]
    return _FLOAT_BYTES * math.prod(sizes)
