"""An ONNX file that another program has quantised, from the command line to both engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo

CARD = """
schema: 1
models:
  given:
    family: darknet-yolo
    summary: a file of another program
    exporter: onnx
    size: [32, 32]
    decoder_params:
      heads:
        - {anchors: [[11, 7]], classes: 2, new_coords: false, scale_x_y: 1.0, stride: 32}
    license: NOASSERTION
    weights:
      - format: onnx
        files: {weights: {name: m.onnx, by_hand: made by a test}}
"""


def gated() -> onnx.ModelProto:
    """Two convolutions with SiLU, of which the input and the weights are quantised.

    NNCF writes so: ONNX Runtime fuses no convolution without a pair after it, OpenVINO does.
    """
    random = np.random.default_rng(7)
    tensors, nodes, last = [], [], "input"
    for name, (before, after) in (("a", (3, 320)), ("b", (320, 8))):
        weights = random.normal(0, 0.1, (after, before, 3, 3))
        scales = (np.abs(weights).max(axis=(1, 2, 3)) / 127).astype(np.float32)
        integers = np.rint(weights / scales.reshape(-1, 1, 1, 1)).astype(np.int8)
        values = {
            "w": integers,
            "w.scale": scales,
            "w.zero": np.zeros(after, np.int8),
            "x.scale": np.float32(0.02),
            "x.zero": np.uint8(20),
        }
        tensors += [
            numpy_helper.from_array(np.asarray(v), f"{name}.{k}") for k, v in values.items()
        ]
        x, w = ([f"{name}.{side}.scale", f"{name}.{side}.zero"] for side in "xw")
        nodes += [
            helper.make_node("QuantizeLinear", [last, *x], [f"{name}.q"], f"{name}.q"),
            helper.make_node("DequantizeLinear", [f"{name}.q", *x], [f"{name}.d"], f"{name}.d"),
            helper.make_node("DequantizeLinear", [f"{name}.w", *w], [f"{name}.f"], axis=0),
            helper.make_node("Conv", [f"{name}.d", f"{name}.f"], [name], name, pads=[1] * 4),
            helper.make_node("Sigmoid", [name], [f"{name}.gate"], f"{name}.gate"),
            helper.make_node("Mul", [name, f"{name}.gate"], [f"{name}.out"], f"{name}.mul"),
        ]
        last = f"{name}.out"
    value = helper.make_tensor_value_info
    inputs = [value("input", TensorProto.FLOAT, ["batch", 3, 32, 32])]
    outputs = [value(last, TensorProto.FLOAT, ["batch", 8, 32, 32])]
    graph = helper.make_graph(nodes, "net", inputs, outputs, tensors)
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(
        graph, opset_imports=imports, ir_version=8, producer_name="other", producer_version="3.4"
    )


@pytest.fixture
def given(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cards.yaml").write_text(CARD, encoding="utf-8")
    monkeypatch.setenv("ZOO_REGISTRY", str(tmp_path / "cards.yaml"))
    onnx.save(gated(), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def compiled(zoo: Zoo, given: Path, backend: str, precision: str) -> tuple[dict[str, Any], str]:
    out = given.with_name(f"{backend}-{precision}")
    where = ("--backend", backend, "--precision", precision)
    done = zoo("compile", "given", "--weights", given, *where, "-o", out)
    assert done.code == 0, done.stderr
    told: dict[str, Any] = json.loads((out / "precision.json").read_text(encoding="utf-8"))
    return told, done.stderr


@pytest.mark.parametrize(("backend", "count"), [("onnxruntime", 0), ("openvino", 2)])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_its_own_ranges_are_used_and_no_calibration_image_is_asked_for(
    zoo: Zoo, given: Path, backend: str, count: int, precision: str
) -> None:
    told, said = compiled(zoo, given, backend, precision)
    assert told["int8_nodes"] == count
    assert told["quantised"] == {"how": "QDQ", "by": "other 3.4", "nodes": 2}
    engine = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}[backend]
    warning = (
        f"{precision}: the file is quantised already (QDQ, file written by other 3.4): its own "
        f"ranges are used, nothing is calibrated; {engine} runs {count or 'none'} of 2 matrix "
        "operators in int8"
    )
    assert warning in told["warnings"]
    assert f"warning: {warning}\n" in said
    assert all(ratio is None or ratio > 15 for ratio in told["output_snr_db"].values())


def test_a_plan_has_no_calibration(zoo: Zoo, given: Path) -> None:
    where = ("given", "--weights", given, "--precision", "int8", "--limit", "1")
    images = given.with_name("images")
    images.mkdir()
    from zoo_core.vision import write_image

    write_image(images / "0.png", np.zeros((32, 32, 3), np.uint8))
    done = zoo("plan", *where, "--images", images, "--dataset", "folder", "--json", "-")
    names = [stage["name"] for stage in done.json["stages"]]
    assert names[:5] == ["weights", "export", "verify", "rewrite", "compile"]
    assert "calibration" not in names


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_half_precision_leaves_its_scales_alone(zoo: Zoo, given: Path, backend: str) -> None:
    """320 of them, one for each channel: more than what is stored as float16 elsewhere."""
    told, said = compiled(zoo, given, backend, "fp16")
    assert "is quantised already" in said
    assert all(ratio is None or ratio > 30 for ratio in told["output_snr_db"].values())
    if backend == "onnxruntime":
        model = onnx.load(given.with_name(f"{backend}-fp16") / "model.onnx")
        kinds = {t.data_type for t in model.graph.initializer}
        assert TensorProto.FLOAT16 not in kinds
    else:
        text = (given.with_name(f"{backend}-fp16") / "model.xml").read_text(encoding="utf-8")
        assert 'element_type="f16"' not in text
