"""Counts what is int8 in an ONNX file, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PAIR = frozenset({"QuantizeLinear", "DequantizeLinear"})
_INTEGER = frozenset({"ConvInteger", "MatMulInteger"})
_WEIGHED = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm"})


@dataclass(frozen=True, slots=True)
class Int8Count:
    """Names of nodes that compute in int8 beyond doubt, and of all that may be called so.

    Beyond doubt are nodes with weights whose two factors are both dequantized integers, and integer
    operators; a node without weights between such pairs may be counted or not.
    """

    certain: frozenset[str]
    possible: frozenset[str]


def count_int8(path: Path) -> Int8Count:
    """Look into an ONNX file: quantize / dequantize pairs, and integer operators."""
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    dequantized = {n.output[0] for n in nodes if n.op_type == "DequantizeLinear"}
    certain, possible = set(), set()
    for number, node in enumerate(nodes):
        if node.op_type in _PAIR:
            continue
        name = node.name or f"{node.op_type}#{number}"
        if node.op_type.startswith("QLinear") or node.op_type in _INTEGER:
            certain.add(name)
        elif node.op_type in _WEIGHED:
            if dequantized.issuperset(node.input[:2]):
                certain.add(name)
        elif node.input and node.input[0] in dequantized:
            possible.add(name)
    return Int8Count(frozenset(certain), frozenset(certain | possible))
