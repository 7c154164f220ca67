"""Layers beside those of the float network, against whole runs and layers computed by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import zoo_onnxruntime.streamed
from onnx import helper, numpy_helper
from zoo_onnxruntime.compiler import OnnxRuntimeCompiler

from zoo_core.api import ComparesLayers, CompileRequest, Target
from zoo_core.api.calibration import tensors
from zoo_core.errors import UsageError
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import preprocess, protocol
from zoo_core.toolkit.similarity import snr_db

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

IMAGES = 3


def request(precision: str = "int8", **options: str) -> CompileRequest:
    return CompileRequest(
        card=model_card(),
        target=Target(backend="onnxruntime", precision=precision, device="cpu", options=options),
        graph="export/graph.json",
        format="onnx",
        form="heads",
        calibration="calibration/images.json" if precision == "int8" else None,
        calibrator="minmax" if precision == "int8" else None,
        preprocess=preprocess((32, 32)),
        protocol=protocol(),
        size=(32, 32),
    )


def compared(before: Any, folder: Path, **options: str) -> dict[str, Path]:
    compiler, wanted = OnnxRuntimeCompiler(), request(**options)
    stages = compiler.stages(wanted)
    more = compiler.layer_stages(wanted, "compile/artefact.json", IMAGES)
    return run_stages([*before, *stages, *more], folder)


def layers(paths: dict[str, Path]) -> dict[str, dict[str, Any]]:
    data = json.loads((paths["layers"] / "layers.json").read_text(encoding="utf-8"))
    assert data["images"] == IMAGES
    ratios = [row["snr_db"] for row in data["layers"] if row["snr_db"] is not None]
    assert ratios == sorted(ratios)
    return {row["tensor"]: row for row in data["layers"]}


def everything(path: Path, images: list[NDArray[Any]]) -> list[Arrays]:
    """All tensors that nodes of a file make, without any optimisation, of each image."""
    model = onnx.load(path)
    names = [name for node in model.graph.node for name in node.output]
    del model.graph.output[:]
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    made = [dict(zip(names, session.run(names, {"input": i}), strict=True)) for i in images]
    return [{"input": image, **arrays} for image, arrays in zip(images, made, strict=True)]


def inputs(paths: dict[str, Path]) -> list[NDArray[Any]]:
    listing = paths["calibration"] / "images.json"
    return list(tensors(listing, preprocess((32, 32))))[:IMAGES]


def test_whole_networks_are_compared_as_two_whole_runs_are(before: Any, tmp_path: Path) -> None:
    paths = compared(before, tmp_path / "zoo")
    found, images = layers(paths), inputs(paths)
    floats = everything(paths["rewrite"] / "model.onnx", images)
    quantised = everything(paths["compile"] / "model.onnx", images)
    assert set(found) >= {"input", "stem", "stem.mish", "sum", "wide", "head0", "head1"}
    for name, row in found.items():
        other = f"{name}/dequantized"
        a = np.stack([arrays[name] for arrays in floats])
        b = np.stack([arrays[other if other in arrays else name] for arrays in quantised])
        assert row["snr_db"] == pytest.approx(snr_db(a, b), abs=0.15), name
        cosine = np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
        assert row["cosine"] == pytest.approx(cosine, abs=2e-4), name


def by_hand(node: onnx.NodeProto, constants: Arrays, floats: Arrays) -> NDArray[Any]:
    """A quantised convolution of the file on float input, by its constants."""
    source, result = node.input[0].removesuffix("/dequantized"), node.output[0]
    x = rounded(floats[source], constants, source)
    weight, bias = (dequantised(constants, name) for name in node.input[1:])
    single = helper.make_node("Conv", ["x", "w", "b"], ["y"])
    single.attribute.extend(node.attribute)
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [single],
        "one",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (y,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    return rounded(y, constants, result)


def rounded(values: NDArray[Any], constants: Arrays, name: str) -> NDArray[Any]:
    scale, zero = constants[f"{name}/scale"], int(constants[f"{name}/zero_point"])
    return (np.clip(np.rint(values / scale) + zero, 0, 255) - zero).astype(np.float32) * scale


def dequantised(constants: Arrays, name: str) -> NDArray[Any]:
    scales, integers = constants[f"{name}/scale"], constants[f"{name}/integers"]
    shape = (-1, *[1] * (integers.ndim - 1))
    return (integers.astype(np.float64) * scales.reshape(shape)).astype(np.float32)


def test_the_error_of_a_layer_alone_is_that_of_its_arithmetic(before: Any, tmp_path: Path) -> None:
    paths = compared(before, tmp_path / "zoo")
    found, images = layers(paths), inputs(paths)
    floats = everything(paths["rewrite"] / "model.onnx", images)
    model = onnx.load(paths["compile"] / "model.onnx")
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    quantised = [n for n in model.graph.node if found.get(n.output[0], {}).get("own_snr_db")]
    convolutions = [n for n in quantised if n.op_type == "Conv"]
    assert [n.name for n in convolutions] == ["stem", "down", "narrow", "wide", "left", "right"]
    for node in convolutions:
        a = np.stack([arrays[node.output[0]] for arrays in floats])
        b = np.stack([by_hand(node, constants, arrays) for arrays in floats])
        row = found[node.output[0]]
        assert row["own_snr_db"] == pytest.approx(snr_db(a, b), abs=0.1), node.name
        assert row["precision"] == "int8"
    a = np.stack([arrays["sum"] for arrays in floats])
    b = np.stack([rounded(arrays["sum"], constants, "sum") for arrays in floats])
    assert found["sum"]["own_snr_db"] == pytest.approx(snr_db(a, b), abs=0.05)
    head = found["head0"]
    assert (head["own_snr_db"], head["precision"], head["node"]) == (None, "float32", "head0")


def test_the_cut_into_segments_changes_nothing(
    before: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = layers(compared(before, tmp_path / "one"))
    monkeypatch.setattr(zoo_onnxruntime.streamed, "HELD", 0)
    cut = layers(compared(before, tmp_path / "two"))
    assert whole.keys() == cut.keys()
    for name, row in whole.items():
        assert row["snr_db"] == pytest.approx(cut[name]["snr_db"], abs=0.1)


def test_a_layer_that_int8_ruins_is_the_worst_by_itself(nets: Any, tmp_path: Path) -> None:
    before = nets.before(nets.depthwise(spread=1e4, size=(32, 32)), tmp_path, count=IMAGES)
    found = layers(compared(before, tmp_path / "zoo"))
    own = [(row["own_snr_db"], row["node"]) for row in found.values() if row["operator"] == "Conv"]
    known = [each for each in own if each[0] is not None]
    assert [name for _, name in known] == ["point", "depth", "stem"]
    assert min(known)[1] == "point"  # the least of the channels it reads has 1e-4 of the largest


def test_a_layer_kept_in_float_has_no_error_of_its_own(before: Any, tmp_path: Path) -> None:
    found = layers(compared(before, tmp_path / "zoo", float_nodes="wide"))
    assert found["wide"]["own_snr_db"] is None
    assert found["wide"]["precision"] == "float32"


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_float_builds_have_no_layers_to_compare(precision: str) -> None:
    compiler = OnnxRuntimeCompiler()
    assert isinstance(compiler, ComparesLayers)
    with pytest.raises(UsageError, match=f"the run is {precision}"):
        compiler.layer_stages(request(precision), "compile/artefact.json", 1)


def test_a_file_that_another_program_quantised_has_no_float_network() -> None:
    quantised = replace(request(), quantised=True, calibration=None)
    with pytest.raises(UsageError, match="quantised by another program"):
        OnnxRuntimeCompiler().layer_stages(quantised, "compile/artefact.json", 1)
