"""The float network, the quantised one, and each quantised layer on float tensors, as one graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import NodeProto, numpy_helper

from zoo_core.toolkit.layers.sums import Affine
from zoo_core.toolkit.onnx_file import MATRIX_OPERATORS
from zoo_onnxruntime.graph import constants, producers, replace_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from onnx import GraphProto, ModelProto, TensorProto

_WHOLE, _OWN, _GIVEN = "whole:", "own:", "given:"
_DEQUANTIZED = "/dequantized"


@dataclass(frozen=True, slots=True)
class Measured:
    """What stands beside a float tensor: names of tensors, of integers where `affine` is given.

    `whole` is the tensor in the quantised network; `own` is that of its layer alone, which reads
    float tensors, and None where the layer computes in float.
    """

    whole: str
    own: str | None = None
    affine: Affine | None = None


def merge(reference: ModelProto, quantised: ModelProto) -> dict[str, Measured]:
    """Put the quantised network beside the float one that it comes from, into `reference`.

    Returns what stands beside each float tensor, in the order of the graph: beside all that are
    quantised, results of matrix operators, and outputs. `quantised` is used up.
    """
    graph, other = reference.graph, quantised.graph
    inputs = {value.name for value in graph.input} - constants(graph).keys()
    pairs = _pairs(other)
    _rename(other.node, inputs)
    for tensor in other.initializer:
        tensor.name = _WHOLE + tensor.name
    alone = _alone(other, pairs)
    _read_apart(other, pairs)
    found = _beside(
        graph, other, pairs, {name for nodes in alone.values() for name in _made(nodes)}
    )
    replace_nodes(graph, list(_interleaved(graph, other, alone)))
    graph.initializer.extend(other.initializer)
    return found


def result_alone(graph: GraphProto) -> dict[str, str]:
    """After `merge`, by the name of each quantised convolution, its result on a float tensor.

    That is the result before it is rounded.
    """
    return {
        node.input[1].removeprefix(_WHOLE).removesuffix("/weight"): node.output[0]
        for node in graph.node
        if node.op_type == "Conv" and node.name.startswith(_OWN)
    }


def _pairs(graph: GraphProto) -> dict[str, NodeProto]:
    """The node that quantises each activation, by the tensor's name in the float network."""
    made = producers(graph)
    found = {}
    for node in graph.node:
        before = made.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if before is not None and before.op_type == "QuantizeLinear":
            found[node.output[0].removesuffix(_DEQUANTIZED)] = before
    return found


def _rename(nodes: Sequence[NodeProto], inputs: set[str]) -> None:
    """Give all tensors of the quantised network names of their own, but not its inputs."""
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [_WHOLE + name if name and name not in inputs else name for name in names]
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                _rename(inner.node, inputs)
                for value in (*inner.input, *inner.output, *inner.initializer):
                    value.name = _WHOLE + value.name


def _alone(graph: GraphProto, pairs: Mapping[str, NodeProto]) -> dict[str, list[NodeProto]]:
    """By the name of each quantised convolution, the nodes that compute it on a float tensor."""
    sources = {_WHOLE + name + _DEQUANTIZED: name for name in pairs}
    results = {pair.input[0]: name for name, pair in pairs.items()}
    given: set[str] = set()
    found = {}
    for node in graph.node:
        source = sources.get(node.input[0]) if node.op_type == "Conv" else None
        result = results.get(node.output[0])
        if source is None or result is None:
            continue
        pair, integers = pairs[source], f"{_GIVEN}{source}/uint8"
        there = [_copied(pair, [source, *pair.input[1:]], [integers])]
        back = _dequantised(pair, integers, f"{_OWN}{result}/input")
        copy = _copied(node, [*back.output, *node.input[1:]], [f"{_OWN}{result}/float"])
        after = _copied(pairs[result], [*copy.output, *pairs[result].input[1:]], [_OWN + result])
        found[node.name] = [*(there if source not in given else []), back, copy, after]
        given.add(source)
    return found


def _read_apart(graph: GraphProto, pairs: Mapping[str, NodeProto]) -> None:
    """Give each convolution a node of its own that dequantises its input, just before it.

    So integers cross from one segment to the next, and the convolution stays one on integers.
    """
    sources = {_WHOLE + name + _DEQUANTIZED: pair for name, pair in pairs.items()}
    nodes = []
    for node in graph.node:
        pair = sources.get(node.input[0]) if node.op_type == "Conv" else None
        if pair is not None:
            nodes.append(_dequantised(pair, pair.output[0], f"{node.output[0]}/input"))
            node.input[0] = nodes[-1].output[0]
        nodes.append(node)
    replace_nodes(graph, nodes)


def _dequantised(pair: NodeProto, integers: str, output: str) -> NodeProto:
    node = _copied(pair, [integers, *pair.input[1:]], [output])
    node.op_type = "DequantizeLinear"
    return node


def _copied(node: NodeProto, inputs: Sequence[str], outputs: Sequence[str]) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{outputs[0]}/{node.op_type}"
    copy.input[:], copy.output[:] = inputs, outputs
    return copy


def _made(nodes: Sequence[NodeProto]) -> Iterator[str]:
    return (name for node in nodes for name in node.output if name)


def _beside(
    graph: GraphProto, other: GraphProto, pairs: Mapping[str, NodeProto], alone: set[str]
) -> dict[str, Measured]:
    """A result that is quantised under the name of its activation is left out."""
    renamed = {pair.input[0]: name for name, pair in pairs.items()}
    known, made = constants(other), set(_made(other.node))
    outputs = {value.name for value in graph.output}
    kinds = {value.name: "" for value in graph.input}
    kinds.update((name, node.op_type) for node in graph.node for name in node.output)
    found = {}
    for name, kind in kinds.items():
        if name in pairs:
            own = next(n for n in (_OWN + name, f"{_GIVEN}{name}/uint8", "") if not n or n in alone)
            pair = pairs[name]
            found[name] = Measured(pair.output[0], own or None, _affine(pair, known))
        elif _WHOLE + name in renamed:
            continue
        elif (kind in MATRIX_OPERATORS or name in outputs) and _WHOLE + name in made:
            found[name] = Measured(_WHOLE + name)
    return found


def _affine(pair: NodeProto, known: Mapping[str, TensorProto]) -> Affine:
    scale, zero = (numpy_helper.to_array(known[name]) for name in pair.input[1:3])
    return Affine(float(scale), int(zero))


def _interleaved(
    graph: GraphProto, other: GraphProto, alone: Mapping[str, Sequence[NodeProto]]
) -> Iterator[NodeProto]:
    """The nodes of both, in an order in which what is compared is made at nearly one time."""
    names = {node.name for node in graph.node}
    waiting = iter(graph.node)
    given: set[str] = set()
    for node in other.node:
        while node.name in names - given:
            first = next(waiting)
            given.add(first.name)
            yield first
        own = alone.get(node.name, ())
        node.name = _WHOLE + node.name
        yield from (node, *own)
    yield from waiting
