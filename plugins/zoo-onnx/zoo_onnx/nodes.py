"""Nodes of a graph as other tools leave them: their order, and initialisers among the inputs."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from onnx import inliner

from zoo_core.errors import DataError
from zoo_onnx.image import inputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onnx import GraphProto, ModelProto, NodeProto

_OWN_INITIALISERS = 4
"""The first IR version whose initialisers need not be inputs."""


def tidied(model: ModelProto, fed: set[str], where: str) -> tuple[ModelProto, list[str]]:
    """The model as compilers expect it, changed in place or anew, and what was done in words.

    Its own functions become nodes, nodes stand after what they read, and an initialiser is not an
    input as well: it is a constant then, which it is for every engine that is not fed another
    value. Those in `fed` stay inputs. Raises `DataError` for nodes that wait for each other.
    """
    done = []
    if model.functions:
        done.append(f"{len(model.functions)} functions written out")
        model = inliner.inline_local_functions(model)
    moved = _sorted(model.graph, where)
    if moved:
        done.append(f"{moved} nodes moved after the nodes whose results they read")
    dropped = _drop_defaults(model, fed)
    if dropped:
        done.append(f"{dropped} initialisers taken out of the inputs")
    return model, done


def inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs that a node holds, such as the branches of an If."""
    for attribute in node.attribute:
        yield from (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else []))


def reads(node: NodeProto) -> Iterator[str]:
    """Names of all tensors that a node reads, those that its inner graphs capture included."""
    yield from filter(None, node.input)
    for graph in inner_graphs(node):
        own = {value.name for value in graph.input} | {t.name for t in graph.initializer}
        own.update(name for inner in graph.node for name in inner.output)
        wanted = [name for inner in graph.node for name in reads(inner)]
        wanted += [value.name for value in graph.output]
        yield from (name for name in wanted if name not in own)


def _drop_defaults(model: ModelProto, fed: set[str]) -> int:
    """Take initialisers out of the inputs, and inputs that are fed out of the initialisers."""
    graph = model.graph
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name in fed:
            del graph.initializer[index]
    kept = inputs(model)
    dropped = len(graph.input) - len(kept)
    del graph.input[:]
    graph.input.extend(kept)
    if dropped:
        model.ir_version = max(model.ir_version, _OWN_INITIALISERS)
    return dropped


def _sorted(graph: GraphProto, where: str) -> int:
    """Sort the nodes, and those of inner graphs; returns how many stood too early."""
    moved = sum(_sorted(inner, where) for node in graph.node for inner in inner_graphs(node))
    nodes = list(graph.node)
    makers = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    waits = [{makers[name] for name in reads(node) if name in makers} for node in nodes]
    early = sum(any(maker >= number for maker in each) for number, each in enumerate(waits))
    if early:
        order = _order(waits, where)
        copies = [nodes[number] for number in order]
        del graph.node[:]
        graph.node.extend(copies)
    return moved + early


def _order(waits: Sequence[set[int]], where: str) -> list[int]:
    """Numbers of nodes after those they wait for, otherwise as they stood."""
    left = [len(each) for each in waits]
    readers: list[list[int]] = [[] for _ in waits]
    for number, each in enumerate(waits):
        for maker in each:
            readers[maker].append(number)
    ready = [number for number, count in enumerate(left) if not count]
    heapify(ready)
    order = []
    while ready:
        number = heappop(ready)
        order.append(number)
        for reader in readers[number]:
            left[reader] -= 1
            if not left[reader]:
                heappush(ready, reader)
    if len(order) < len(waits):
        what = f"{len(waits) - len(order)} nodes wait for each other's results"
        raise DataError(what, where=where, next="export it again")
    return order
