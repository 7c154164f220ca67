"""Editing ONNX graphs: names, producers, consumers, constants."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from onnx import numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

_STANDARD = frozenset({"", "ai.onnx"})


def is_portable(model: ModelProto) -> bool:
    """Whether all nodes are standard ONNX."""
    return all(node.domain in _STANDARD for node in model.graph.node)


def drop_unused_domains(model: ModelProto) -> None:
    """Forget operator sets that no node uses."""
    used = {node.domain for node in model.graph.node}
    kept = [o for o in model.opset_import if o.domain in used or o.domain in _STANDARD]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def name_nodes(model: ModelProto) -> int:
    """Give every node a name of its own: where it has none, or another's, its output's name.

    Returns how many got one.
    """
    seen = Counter(node.name for node in model.graph.node)
    unnamed = [node for node in model.graph.node if not node.name or seen[node.name] > 1]
    for node in unnamed:
        node.name = f"{node.op_type}:{next(filter(None, node.output), '')}"
    return len(unnamed)


def constants_aside(model: ModelProto) -> None:
    """Make initialisers of the tensors that nodes of the kind Constant hold."""
    nodes = []
    for node in model.graph.node:
        tensors = [a.t for a in node.attribute if node.op_type == "Constant" and a.name == "value"]
        if tensors:
            model.graph.initializer.append(tensors[0])
            model.graph.initializer[-1].name = node.output[0]
        else:
            nodes.append(node)
    if len(nodes) < len(model.graph.node):
        replace_nodes(model.graph, nodes)


def constants(graph: GraphProto) -> dict[str, TensorProto]:
    """Initialisers by name."""
    return {tensor.name: tensor for tensor in graph.initializer}


def constant(name: str, value: np.ndarray) -> TensorProto:
    """An initialiser that holds an array."""
    return numpy_helper.from_array(value, name)


def uses(node: NodeProto) -> Iterator[str]:
    """Names of all tensors a node reads, those that its inner graphs capture included."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            made = {name for each in inner.node for name in each.output}
            made.update(tensor.name for tensor in inner.initializer)
            made.update(value.name for value in inner.input)
            yield from (name for each in inner.node for name in uses(each) if name not in made)


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    """The node that makes each tensor."""
    return {name: node for node in graph.node for name in node.output if name}


def consumers(graph: GraphProto) -> dict[str, list[NodeProto]]:
    """The nodes that read each tensor."""
    found: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in dict.fromkeys(uses(node)):
            found[name].append(node)
    return found


def replace_nodes(graph: GraphProto, nodes: list[NodeProto]) -> None:
    """Make `nodes`, in this order, the graph's nodes."""
    copies = list(nodes)
    del graph.node[:]
    graph.node.extend(copies)


def drop_unused_constants(graph: GraphProto) -> None:
    """Remove initialisers that nothing reads."""
    used = {name for node in graph.node for name in uses(node)}
    used.update(value.name for value in graph.output)
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in used:
            del graph.initializer[index]


def live_nodes(nodes: Sequence[NodeProto], wanted: Iterable[str]) -> list[NodeProto]:
    """The nodes that the tensors in `wanted` depend on, in order."""
    alive = set(wanted)
    kept = []
    for node in reversed(nodes):
        if any(name in alive for name in node.output):
            alive.update(uses(node))
            kept.append(node)
    return kept[::-1]
