from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from zoo_onnxruntime.engine import tool
from zoo_onnxruntime.graph import replace_nodes
from zoo_onnxruntime.precision import (
    node_precisions,
    other_operators,
    processor_warnings,
)
from zoo_onnxruntime.quantize import quantize

from zoo_core.toolkit.artefact import precision_report

if TYPE_CHECKING:
    from pathlib import Path


def int8_model(nets: Any, floats: tuple[str, ...] = ()) -> onnx.ModelProto:
    model: onnx.ModelProto = nets.mish()
    names = {n for node in model.graph.node for n in (*node.input, *node.output)}
    quantize(model, dict.fromkeys(names, (-3.0, 5.0)), floats)
    return model


def found(model: onnx.ModelProto, folder: Path, **reasons: str) -> dict[str, tuple[str, str]]:
    path = folder / "model.onnx"
    onnx.save(model, path)
    rows = node_precisions(path, reasons, folder)
    assert [p.name for p in folder.iterdir()] == ["model.onnx"]
    return {row.name: (row.precision, row.reason) for row in rows}


def test_a_float_graph_has_no_int8(nets: Any, tmp_path: Path) -> None:
    rows = found(nets.mish(), tmp_path)
    assert len(rows) == 8
    assert set(rows.values()) == {("float32", "")}


def test_a_quantised_graph_is_int8_throughout(nets: Any, tmp_path: Path) -> None:
    rows = found(int8_model(nets), tmp_path)
    assert set(rows.values()) == {("int8", "")}
    assert list(rows) == [n.name for n in nets.mish().graph.node if n.op_type == "Conv"]


def test_a_convolution_left_float_is_told_with_its_reason(nets: Any, tmp_path: Path) -> None:
    rows = found(int8_model(nets, ("wide", "head0")), tmp_path, wide="the card says so")
    assert rows["wide"] == ("float32", "the card says so")
    assert rows["head0"] == ("float32", "")
    assert sum(precision == "int8" for precision, _ in rows.values()) == 6


def test_pairs_in_the_file_are_not_taken_for_int8(nets: Any, tmp_path: Path) -> None:
    model = int8_model(nets)
    nodes = [n for n in model.graph.node if n.name not in {"wide/quantize", "wide/dequantize"}]
    for node in nodes:
        for place, name in enumerate(node.input):
            if name == "wide/dequantized":
                node.input[place] = "wide"
    replace_nodes(model.graph, nodes)
    onnx.checker.check_model(model, full_check=True)
    rows = found(model, tmp_path)
    precision, reason = rows["wide"]
    assert precision == "float32"
    assert "ONNX Runtime runs it in float" in reason
    assert sum(precision == "int8" for precision, _ in rows.values()) == 7


def test_the_report_counts_what_was_found(nets: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(int8_model(nets, ("head0",)), path)
    told = precision_report("int8", node_precisions(path, {}, tmp_path), tool(), ["careful"])
    assert (told["int8_nodes"], told["float_nodes"]) == (7, 1)
    assert told["float_node_names"] == ["head0"]
    assert told["warnings"] == ["careful"]
    assert told["tool"].startswith("onnxruntime ")
    assert len(told["nodes"]) == 8
    assert other_operators(path) == {
        "Add": 1,
        "Concat": 1,
        "LeakyRelu": 1,
        "MaxPool": 1,
        "Mul": 5,
        "Softplus": 5,
        "Tanh": 5,
    }


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"avx2", "avx512f"}, "has no VNNI"),
        (set(), "is not known"),
        ({"avx2", "avx_vnni"}, ""),
        ({"avx512_vnni"}, ""),
        ({"asimddp"}, ""),
    ],
)
def test_the_processor_is_told_of(features: set[str], words: str) -> None:
    warnings = processor_warnings(frozenset(features))
    assert bool(warnings) == bool(words)
    assert all(words in warning for warning in warnings)


def test_matrix_products_are_counted_too(nets: Any, tmp_path: Path) -> None:
    net = nets.new()
    net.conv("input", "conv", 4)
    net.node("GlobalAveragePool", ["conv"], "pooled")
    net.node("Flatten", ["pooled"], "flat")
    net.constant("matrix", np.ones((4, 2)))
    net.node("MatMul", ["flat", "matrix"], "head0")
    assert list(found(net.model("head0"), tmp_path)) == ["conv", "head0"]
