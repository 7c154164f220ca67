"""What the nodes of an artefact really compute in, read from the graph that ONNX Runtime made."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from zoo_core.toolkit.artefact import NodePrecision, precision_report, write_artefact
from zoo_core.toolkit.machine import cpu_features, has_int8_dot
from zoo_core.toolkit.onnx_file import (
    INTEGER_OPERATORS,
    MATRIX_OPERATORS,
    load,
    quantised_weights,
)
from zoo_onnxruntime.engine import open_session, tool
from zoo_onnxruntime.files import FORMAT, MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from onnx import NodeProto

    from zoo_core.api import Graph

_OPTIMISED = "optimised.onnx"
_UNFUSED = "the file quantises it, but ONNX Runtime runs it in float"
_MATRIX = MATRIX_OPERATORS | INTEGER_OPERATORS.keys()
_COPIED = re.compile(r"_token_\d+$")
"""What ONNX Runtime appends to the name of a node that it moves to another layout."""

_ON_INTEGERS = ("QLinear", "QGemm")
"""How the names of ONNX Runtime's operators on integers begin."""

_PLUMBING = frozenset({"QuantizeLinear", "DequantizeLinear", "Constant"})


def node_precisions(
    model: Path, reasons: Mapping[str, str], scratch: Path
) -> tuple[NodePrecision, ...]:
    """All matrix operators of a file in order, int8 where ONNX Runtime fused them to it.

    `reasons` says of nodes why they were left float. The graph is optimised as the runtime would
    and written to the folder `scratch` for a moment.
    """
    graph = load(model).graph
    nodes = [node for node in graph.node if node.op_type in _MATRIX]
    weights = quantised_weights(graph)
    integer = any(node.op_type in INTEGER_OPERATORS for node in nodes)
    fused = _fused(model, scratch) if weights or integer else frozenset()
    found = []
    for node in nodes:
        own = weights.get(node.output[0])
        if fused & {node.name, own}:
            found.append(NodePrecision(node.name, node.op_type, "int8"))
        else:
            asked = own is not None or node.op_type in INTEGER_OPERATORS
            reason = _UNFUSED if asked else reasons.get(node.name, "")
            found.append(NodePrecision(node.name, node.op_type, "float32", reason))
    return tuple(found)


def other_operators(model: Path) -> dict[str, int]:
    """How many nodes of each other kind compute in float."""
    nodes = load(model).graph.node
    counts = Counter(n.op_type for n in nodes if n.op_type not in _MATRIX | _PLUMBING)
    return dict(sorted(counts.items()))


def write_report(
    folder: Path,
    graph: Graph,
    precision: str,
    nodes: Sequence[NodePrecision],
    warnings: Sequence[str],
    **more: Any,
) -> None:
    """Leave artefact.json and precision.json beside the model; `more` goes into the latter."""
    report = precision_report(precision, nodes, tool(), warnings)
    others = {"float_operators": other_operators(folder / MODEL_FILE)}
    write_artefact(folder, (FORMAT, MODEL_FILE), graph, {**report, **others, **more})


def processor_warnings(features: frozenset[str] | None = None) -> list[str]:
    """What int8 costs on this processor, where it lacks the instructions for it."""
    found = has_int8_dot(cpu_features() if features is None else features)
    if found is None:
        return ["int8: whether this processor has VNNI is not known; compare with fp32"]
    if found:
        return []
    return [
        "int8: this processor has no VNNI; int8 may be no faster than fp32 here, and its 16-bit "
        "sums can overflow: compare the accuracy with --option reduce_range=true"
    ]


def integer_nodes(model: Path, scratch: Path) -> frozenset[str]:
    """Names of the nodes, of all kinds, that ONNX Runtime merged into operators on integers."""
    nodes = _optimised(model, scratch)
    return frozenset(
        _COPIED.sub("", n.name) for n in nodes if n.op_type.startswith(_ON_INTEGERS) and n.name
    )


def _fused(model: Path, scratch: Path) -> frozenset[str]:
    """Names of ONNX Runtime's integer operators, and of the weights that they read."""
    nodes = _optimised(model, scratch)
    integer = [n for n in nodes if INTEGER_OPERATORS.get(n.op_type) in ("QOperator", "dynamic")]
    return frozenset(
        name for node in integer for name in (_COPIED.sub("", node.name), *node.input) if name
    )


def _optimised(model: Path, scratch: Path) -> list[NodeProto]:
    """The nodes of the graph as the runtime optimises it."""
    optimised = scratch / _OPTIMISED
    session = open_session(model, 1, optimised=optimised, where=str(model))
    del session
    nodes = list(load(optimised).graph.node)
    optimised.unlink()
    return nodes
