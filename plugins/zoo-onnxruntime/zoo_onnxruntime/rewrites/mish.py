"""Mish without Softplus and Tanh: the same function in operators that engines run fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from zoo_onnxruntime.graph import (
    constant,
    constants,
    consumers,
    drop_unused_constants,
    live_nodes,
    producers,
    replace_nodes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import GraphProto, ModelProto, NodeProto

_CEILING, _TWO = "mish/ceiling", "mish/two"
_HIGHEST = 40.0  # e^2 is 5.5e34 there, within float32
_SATURATED = 10.0
_OTHER_FLOATS = {TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}


@dataclass(frozen=True, slots=True)
class _Match:
    """One Mish in a graph: `x` goes in, the outputs of `last` come out."""

    x: str
    last: NodeProto


def rewrite_mish(model: ModelProto, _scratch: Path) -> tuple[ModelProto, int]:
    """Write each Mish as x n / (n + 2), n = e (e + 2), e = exp(min(x, 40)); returns their number.

    Mish is x tanh(log(1 + e^x)) (Misra 2019, arXiv:1908.08681). With e = e^x, tanh(log(1 + e)) is
    ((1 + e)^2 - 1) / ((1 + e)^2 + 1) = n / (n + 2), in which nothing cancels; from x = 9 on it is
    1 in float32, so the ceiling only keeps e^2 finite, and falls away in int8 graphs whose ranges
    end below it (`clips`). Found are Softplus, Tanh, Mul, with or without a threshold on x, and the
    operator Mish. Networks that are not in float32 stay.
    """
    graph = model.graph
    if not _is_float32(graph):
        return model, 0
    matches = {match.last.output[0]: match for match in _matches(graph)}
    if not matches:
        return model, 0
    nodes: list[NodeProto] = []
    for node in graph.node:
        match = matches.get(node.output[0])
        nodes.extend(_exact_form(match) if match else [node])
    replace_nodes(graph, live_nodes(nodes, (value.name for value in graph.output)))
    drop_unused_constants(graph)
    graph.initializer.append(constant(_CEILING, np.array(_HIGHEST, np.float32)))
    graph.initializer.append(constant(_TWO, np.array(2, np.float32)))
    return model, len(matches)


def _is_float32(graph: GraphProto) -> bool:
    kinds = {tensor.data_type for tensor in graph.initializer}
    kinds.update(value.type.tensor_type.elem_type for value in graph.input)
    return not kinds & _OTHER_FLOATS


def _matches(graph: GraphProto) -> list[_Match]:
    made, read = producers(graph), consumers(graph)
    known = constants(graph)
    found = []
    for node in graph.node:
        if node.op_type == "Mish":
            found.append(_Match(node.input[0], node))
        elif node.op_type == "Tanh":
            softplus = made.get(node.input[0])
            x = _softplus_of(softplus, made, known) if softplus else None
            for after in read.get(node.output[0], []):
                if x and after.op_type == "Mul" and x in after.input:
                    found.append(_Match(x, after))
    return found


def _softplus_of(
    node: NodeProto, made: dict[str, NodeProto], known: dict[str, TensorProto]
) -> str | None:
    """The x of which a node's output is softplus(x), be it with the identity above a threshold."""
    if node.op_type == "Softplus":
        return str(node.input[0])
    if node.op_type != "Where":
        return None
    condition, identity, inner = node.input
    test, softplus = made.get(condition), made.get(inner)
    if test is None or softplus is None or softplus.op_type != "Softplus":
        return None
    limit = known.get(test.input[1]) if len(test.input) == 2 else None
    same = identity == softplus.input[0] == test.input[0]
    if not same or limit is None or test.op_type not in {"Greater", "GreaterOrEqual"}:
        return None
    value = numpy_helper.to_array(limit)
    return identity if value.size == 1 and float(value.reshape(-1)[0]) >= _SATURATED else None


def _exact_form(match: _Match) -> list[NodeProto]:
    x, y = match.x, match.last.output[0]
    capped, e, e2, n, n2, ratio = (
        f"{y}/{part}" for part in ("capped", "e", "e_2", "n", "n_2", "ratio")
    )
    steps = [
        ("Clip", [x, "", _CEILING], capped),
        ("Exp", [capped], e),
        ("Add", [e, _TWO], e2),
        ("Mul", [e, e2], n),
        ("Add", [n, _TWO], n2),
        ("Div", [n, n2], ratio),
        ("Mul", [x, ratio], y),
    ]
    base = match.last.name or y
    return [
        helper.make_node(op, inputs, [output], name=f"{base}/mish{index}")
        for index, (op, inputs, output) in enumerate(steps)
    ]
