from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
import pytest
from onnx import TensorProto, helper

from zoo_core.testing.int8 import count_int8

if TYPE_CHECKING:
    from pathlib import Path


def pair(name: str) -> list[Any]:
    """x -> x.q -> x.dq"""
    return [
        helper.make_node("QuantizeLinear", [name, "s", "z"], [f"{name}.q"], f"{name}.quantize"),
        helper.make_node(
            "DequantizeLinear", [f"{name}.q", "s", "z"], [f"{name}.dq"], f"{name}.dequantize"
        ),
    ]


def node(kind: str, inputs: list[str], output: str, name: str) -> Any:
    return helper.make_node(kind, inputs, [output], name)


CASES = {
    "float": ([node("Conv", ["x", "w"], "y", "c")], set(), set()),
    "weights only": ([*pair("w"), node("Conv", ["x", "w.dq"], "y", "c")], set(), set()),
    "activations only": ([*pair("x"), node("Conv", ["x.dq", "w"], "y", "c")], set(), set()),
    "both": ([*pair("x"), *pair("w"), node("Conv", ["x.dq", "w.dq"], "y", "c")], {"c"}, {"c"}),
    "without weights": ([*pair("x"), node("MaxPool", ["x.dq"], "y", "p")], set(), {"p"}),
    "integer operators": (
        [node("QLinearConv", ["x"], "y", "q"), node("MatMulInteger", ["y", "w"], "v", "m")],
        {"q", "m"},
        {"q", "m"},
    ),
    "no name": ([*pair("x"), node("Relu", ["x.dq"], "y", "")], set(), {"Relu#2"}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_int8(tmp_path: Path, case: str) -> None:
    nodes, certain, possible = CASES[case]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "case", [value], [])), path)
    found = count_int8(path)
    assert set(found.certain) == certain
    assert set(found.possible) == possible
