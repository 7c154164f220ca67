"""Files that another program has quantised: recognised, taken as they are, counted truly."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from zoo_onnxruntime.compiler import OnnxRuntimeCompiler
from zoo_onnxruntime.half import store_half

from zoo_core.api import CompileRequest, Graph, Target, TensorSpec
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import files_stage, preprocess, protocol
from zoo_core.toolkit.onnx_file import facts, quantisation

if TYPE_CHECKING:
    from pathlib import Path

MATRIX = 5


class Images(CalibrationDataReader):
    """Four seeded images."""

    def __init__(self) -> None:
        source = np.random.default_rng(2)
        images = [source.random((1, 3, 32, 32), dtype=np.float32) for _ in range(4)]
        self._rest = iter([{"input": image} for image in images])

    def get_next(self) -> Any:
        return next(self._rest, None)


def plain(nets: Any, gate: str = "Relu") -> onnx.ModelProto:
    """Three convolutions with activations, a head, and a product without a bias."""
    net = nets.new()
    last = "input"
    for name, width in (("a", 8), ("b", 300), ("c", 16)):
        last = net.node(gate, [net.conv(last, name, width)], f"{name}.{gate}")
    net.conv(last, "head0", 4)
    net.node("GlobalAveragePool", [last], "pool")
    net.node("Flatten", ["pool"], "flat")
    net.constant("w", net.random.normal(size=(16, 6)))
    net.node("MatMul", ["flat", "w"], "head1")
    model: onnx.ModelProto = net.model("head0", "head1")
    return model


def quantised(nets: Any, folder: Path, how: str, gate: str = "Relu") -> onnx.ModelProto:
    source, target = folder / "plain.onnx", folder / "quantised.onnx"
    onnx.save(plain(nets, gate), source)
    if how == "dynamic":
        quantize_dynamic(source, target)
    else:
        signed = {"QOperator": QuantType.QUInt8, "QDQ": QuantType.QUInt8, "S8S8": QuantType.QInt8}
        quantize_static(
            source,
            target,
            Images(),
            quant_format=QuantFormat.QOperator if how == "QOperator" else QuantFormat.QDQ,
            activation_type=signed[how],
            weight_type=QuantType.QInt8,
            per_channel=how == "QDQ",
        )
    return onnx.load(target)


def weights_only(nets: Any) -> onnx.ModelProto:
    """Integers in place of the convolutions' weights, dequantised before they are read."""
    model = plain(nets)
    dequantised = []
    for tensor in [t for t in model.graph.initializer if t.name.endswith(".weight")]:
        values, name = numpy_helper.to_array(tensor), tensor.name
        scale = np.float32(np.abs(values).max() / 127)
        integers = np.rint(values / scale).astype(np.int8)
        tensor.CopyFrom(numpy_helper.from_array(integers, f"{name}/q"))
        model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}/s"))
        pair = [f"{name}/q", f"{name}/s"]
        dequantised.append(onnx.helper.make_node("DequantizeLinear", pair, [name], f"{name}/dq"))
    nodes = [*dequantised, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def integer_products(model: onnx.ModelProto, folder: Path) -> int:
    """Products and convolutions that ONNX Runtime runs on integers, by its own optimised graph."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(folder / "optimised.onnx").graph.node
    kinds = ("QLinearConv", "QLinearMatMul", "ConvInteger", "DynamicQuantizeMatMul")
    return sum(node.op_type in kinds for node in nodes)


def compiled(model: onnx.ModelProto, precision: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The artefact and its report; there is no calibration image at all."""
    export, images = folder / "export", folder / "images"
    export.mkdir(parents=True)
    images.mkdir()
    onnx.save(model, export / "model.onnx")
    shapes = {"input": ("batch", 3, 32, 32), "head0": ("batch", 4, 32, 32), "head1": ("batch", 6)}
    specs = {name: TensorSpec(name=name, shape=shape) for name, shape in shapes.items()}
    graph = Graph(
        format="onnx",
        path="model.onnx",
        inputs=(specs["input"],),
        outputs=(specs["head0"], specs["head1"]),
        facts=facts(model),
    )
    (export / "graph.json").write_text(json.dumps(graph.to_data()), encoding="utf-8")
    (images / "images.json").write_text(json.dumps({"images": []}), encoding="utf-8")
    before = [
        replace(files_stage({path.name: path for path in sorted(place.iterdir())}), name=name)
        for place, name in ((export, "export"), (images, "calibration"))
    ]
    request = CompileRequest(
        card=model_card(),
        target=Target(backend="onnxruntime", precision=precision, device="cpu"),
        graph="export/graph.json",
        format="onnx",
        form="heads",
        calibration="calibration/images.json" if precision == "int8" else None,
        calibrator=None,
        preprocess=preprocess((32, 32)),
        protocol=protocol(),
        size=(32, 32),
    )
    stages = OnnxRuntimeCompiler().stages(request)
    out = run_stages([*before, *stages], folder / "run")["compile"]
    return out, json.loads((out / "precision.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("how", "called", "of"),
    [
        ("QDQ", "QDQ", "ranges"),
        ("S8S8", "QDQ", "ranges"),
        ("QOperator", "QOperator", "ranges"),
        ("dynamic", "dynamic", "scales"),
    ],
)
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_it_is_taken_as_it_is(
    nets: Any, tmp_path: Path, how: str, called: str, of: str, precision: str
) -> None:
    model = quantised(nets, tmp_path, how)
    folder, told = compiled(model, precision, tmp_path / "zoo")
    assert told["quantised"] == {"how": called, "by": "onnx.quantize 0.1.0", "nodes": MATRIX}
    count = integer_products(model, tmp_path)
    assert count == (3 if how == "S8S8" else MATRIX)
    assert (told["int8_nodes"], told["float_nodes"]) == (count, MATRIX - count)
    assert told["warnings"][0] == (
        f"{precision}: the file is quantised already ({called}, file written by onnx.quantize "
        f"0.1.0): its own {of} are used, nothing is calibrated; ONNX Runtime runs {count} of 5 "
        "matrix operators in int8"
    )
    kept = {
        t.name: t.SerializeToString() for t in onnx.load(folder / "model.onnx").graph.initializer
    }
    assert all(kept[t.name] == t.SerializeToString() for t in model.graph.initializer)
    assert all(ratio is None or ratio > 30 for ratio in told["output_snr_db"].values())


def test_what_runs_in_float_is_counted_so(nets: Any, tmp_path: Path) -> None:
    """Signed activations with SiLU, and weights alone: the engine dequantises them."""
    _, told = compiled(weights_only(nets), "int8", tmp_path / "weights")
    assert told["quantised"]["how"] == "weights only"
    assert told["int8_nodes"] == 0
    assert "runs none of 5 matrix operators in int8" in told["warnings"][0]
    reasons = {node["name"]: node["reason"] for node in told["nodes"]}
    assert reasons["a"] == "the file quantises it, but ONNX Runtime runs it in float"
    assert reasons["head1"] == ""


def test_the_scales_of_a_quantiser_are_not_rounded_to_half(nets: Any, tmp_path: Path) -> None:
    """One for each of 300 channels, which is as many values as are worth it elsewhere."""
    model = quantised(nets, tmp_path, "QDQ")
    scales = {t.name for t in model.graph.initializer if len(t.dims) == 1 and t.dims[0] == 300}
    assert scales
    assert store_half(model) == (0, {})
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    assert all(name in kinds for name in scales)
    _, told = compiled(quantised(nets, tmp_path, "QDQ"), "fp16", tmp_path / "zoo")
    assert any("is quantised already" in text for text in told["warnings"])
    assert told["weights"] == "float32"
    assert (
        "fp16: the file has no float32 weights that float16 would store smaller" in told["warnings"]
    )
    assert all(ratio is None or ratio > 30 for ratio in told["output_snr_db"].values())


def test_a_pair_alone_makes_no_quantised_file(nets: Any) -> None:
    """Activations in pairs, weights in float: it is calibrated as any network."""
    model = plain(nets)
    assert quantisation(model) is None
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.01), "s"))
    model.graph.initializer.append(numpy_helper.from_array(np.int16(0), "z"))
    for op, source, result in (("Quantize", "a", "q"), ("Dequantize", "q", "d")):
        inputs = [source, "s", "z"]
        model.graph.node.append(onnx.helper.make_node(f"{op}Linear", inputs, [result], result))
    assert quantisation(model) is None


def test_the_writer_s_marks_are_told(nets: Any) -> None:
    model = weights_only(nets)
    assert quantisation(model) == {
        "how": "weights only",
        "by": "a program without name",
        "nodes": 4,
    }
    model.producer_name, model.producer_version = "pytorch", "2.13"
    model.metadata_props.add(key="quark_version", value="0.13")
    model.metadata_props.add(key="author", value="me")
    assert (quantisation(model) or {})["by"] == "pytorch 2.13 (quark_version)"
