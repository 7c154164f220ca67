from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import zoo_tianxiaomo
from onnx import TensorProto, helper
from zoo_tianxiaomo.decoder import TianxiaomoDecoder
from zoo_tianxiaomo.layout import ANCHORS, Layout
from zoo_tianxiaomo.onnx_graph import finish, read
from zoo_tianxiaomo.params import NetworkSpec
from zoo_tianxiaomo.weights import load_network

from zoo_core.errors import StageError
from zoo_core.testing import model_card
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo_core.api import Stage

    Plan = Callable[..., Sequence[Stage]]
    RunStage = Callable[..., Path]

THIN = (4, 8, 8, 16, 16, 32)
WANTED = [-3.806638962822035, 76.61990928649902]
LAYOUT = Layout(form="heads", size=(64, 96), classes=80)


def test_graph_json_tells_what_was_made(
    plan: Plan, run_stage: RunStage, thin_pth: Path, tmp_path: Path
) -> None:
    card = model_card(labels=("thing",) * 80, exporter_params={"opset": 13})
    out = run_stage(plan(card, file=thin_pth.name)[0], tmp_path / "e", {"weights": thin_pth.parent})
    graph = json.loads((out / "graph.json").read_text())
    facts = graph["facts"]
    assert facts["opset"] == 13
    assert facts["route"] == "builtin"
    assert facts["widths"] == list(THIN)
    assert facts["producer"].startswith("pytorch")
    assert facts["operators"]["Conv"] == 110
    assert "BatchNormalization" not in facts["operators"]
    model = onnx.load(out / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 13
    known = {value.name for value in model.graph.value_info}
    known |= {value.name for value in model.graph.output}
    assert {name for node in model.graph.node for name in node.output} <= known


def test_boxes_in_the_graph_are_those_of_the_decoder(
    plan: Plan, run_stage: RunStage, thin_pth: Path, tmp_path: Path
) -> None:
    """With the card's own anchors and scale_x_y, by two independent decoders."""
    anchors = [[[2 * side + 1 for side in pair] for pair in head] for head in ANCHORS]
    params = {"anchors": anchors, "scale_x_y": [2, 1.5, 1]}
    card = model_card(labels=("thing",) * 80, decoder="tianxiaomo-yolov4", decoder_params=params)
    blob = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    found = {}
    for form in ("heads", "e2e"):
        stage = plan(card, file=thin_pth.name, form=form)[0]
        out = run_stage(stage, tmp_path / form, {"weights": thin_pth.parent})
        session = onnxruntime.InferenceSession(out / "model.onnx")
        names = [value.name for value in session.get_outputs()]
        outputs = dict(zip(names, (v[0] for v in session.run(None, {"input": blob})), strict=True))
        told = json.loads((out / "graph.json").read_text())["facts"]["decoder"]
        assert told == {**params, "strides": [8, 16, 32]}
        decode = TianxiaomoDecoder().bind(told, 80, 0.0)
        found[form] = decode(outputs, Geometry.identity((64, 96)))
    np.testing.assert_allclose(found["heads"]["boxes"], found["e2e"]["boxes"], atol=2e-3)
    np.testing.assert_array_equal(found["heads"]["label"], found["e2e"]["label"])


def test_the_bundled_sample(plan: Plan, run_stage: RunStage, tmp_path: Path) -> None:
    """Half-precision weights of a thin network: exported in float32, widths as they are."""
    sample = Path(zoo_tianxiaomo.__file__).parent / "sample" / "yolov4-thin.safetensors"
    assert sample.stat().st_size <= 3_000_000
    done = {"weights": sample.parent, "export": tmp_path / "export"}
    export, verify = plan(file=sample.name, weights="sample")
    run_stage(export, done["export"], done)
    facts = json.loads((done["export"] / "graph.json").read_text())["facts"]
    assert facts["parameters"] < 1_500_000
    record = json.loads((run_stage(verify, tmp_path / "verify", done) / "verify.json").read_text())
    assert record["max_abs"] < 1e-3


def test_a_difference_from_the_network_is_an_error(
    plan: Plan, run_stage: RunStage, thin_pth: Path, tmp_path: Path
) -> None:
    card = model_card(labels=("thing",) * 80)
    export, verify = plan(card, file=thin_pth.name)
    done = {"weights": thin_pth.parent, "export": tmp_path / "export"}
    run_stage(export, done["export"], done)
    path = done["export"] / "model.onnx"
    model = onnx.load(path)
    bias = next(v for v in model.graph.initializer if v.name == "head.conv10.conv.0.bias")
    values = onnx.numpy_helper.to_array(bias).copy()
    values[7] += 0.05
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(model, path)
    with pytest.raises(StageError, match=r"output 'head16' of the graph differs by 5.00e-02"):
        run_stage(verify, tmp_path / "verify", done)
    record = json.loads((tmp_path / "verify" / "verify.json").read_text())
    assert record["max_abs"] == pytest.approx(0.05, rel=1e-3)
    assert record["outputs"]["head8"]["max_abs"] < 1e-4
    assert record["outputs"]["head16"]["max_rel"] < record["max_abs"]


@pytest.mark.parametrize(("seed", "widths"), [(0, THIN), (1, (8, 16, 16, 32, 64, 128))])
def test_random_weights_are_seeded_and_sane(seed: int, widths: tuple[int, ...]) -> None:
    spec = NetworkSpec(format="random", classes=80, widths=widths, seed=seed)
    network, again = load_network(spec, None), load_network(spec, None)
    for key, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    other = load_network(NetworkSpec(format="random", classes=80, widths=widths, seed=9), None)
    assert not torch.equal(network.head.conv2.conv[0].weight, other.head.conv2.conv[0].weight)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        heads = network(torch.rand(1, 3, 416, 416, generator=generator))
    for head in heads:
        assert 0.3 < head.std() < 4
        assert head.abs().max() < 40


def test_random_weights_stay_the_same() -> None:
    """A change of these values makes other networks of the same name: choose it knowingly."""
    spec = NetworkSpec(format="random", classes=80, widths=THIN, seed=5)
    state = load_network(spec, None).state_dict()
    found = [
        float(state[key].double().sum())
        for key in ("down1.conv1.conv.0.weight", "neck.conv4.conv.1.running_var")
    ]
    assert found == pytest.approx(WANTED, rel=1e-6)


def _chain(
    *, outputs: int = 3, opset: int = 17, channels: int = 255, bad: bool = False
) -> onnx.ModelProto:
    """Three convolutions beside each other, with the strides of the heads."""
    nodes, constants, values = [], [], []
    for number, stride in list(enumerate((8, 16, 32)))[:outputs]:
        name = f"w{number}"
        kernel = np.zeros((channels, 3, stride, stride), np.float32)
        constants.append(onnx.numpy_helper.from_array(kernel, name))
        source = "nowhere" if bad else "x"
        out = f"y{number}"
        nodes.append(helper.make_node("Conv", [source, name], [out], strides=[stride] * 2))
        values.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, ["n", "c", "h", "w"]))
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])
    graph = helper.make_graph(nodes, "chain", [image], values, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_tensors_of_a_foreign_file_are_named_and_shaped(tmp_path: Path) -> None:
    finish(_chain(), tmp_path, LAYOUT, 17, {})
    model = onnx.load(tmp_path / "model.onnx")
    assert [node.output[0] for node in model.graph.node] == ["head8", "head16", "head32"]
    found = [_dims(value) for value in (*model.graph.input, *model.graph.output)]
    wanted = [spec.shape for spec in (LAYOUT.input, *LAYOUT.outputs)]
    assert found == wanted


@pytest.mark.parametrize(
    ("chain", "what"),
    [
        ({"opset": 18}, "has opset {'': 18}, asked for 17"),
        ({"outputs": 2}, "has 1 inputs and 2 outputs, expected 1 and 3"),
        ({"channels": 24}, "output 'head8' has shape ['?', 24, 8, 12], expected ['batch', 255"),
        ({"bad": True}, "the ONNX file is not valid"),
    ],
)
def test_foreign_files_that_are_refused(tmp_path: Path, chain: dict[str, Any], what: str) -> None:
    with pytest.raises(StageError) as caught:
        finish(_chain(**chain), tmp_path, LAYOUT, 17, {})
    assert what in str(caught.value)
    assert not (tmp_path / "graph.json").exists()


@pytest.mark.parametrize("content", [b"", b"\x08\x08rubbish", None])
def test_files_that_are_not_whole(tmp_path: Path, content: bytes | None) -> None:
    whole = _chain().SerializeToString()
    with pytest.raises(StageError):
        model = read(whole[: len(whole) // 2] if content is None else content)
        finish(model, tmp_path, LAYOUT, 17, {})
    assert not (tmp_path / "model.onnx").exists()


def test_weights_beside_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    onnx.save(_chain(), path, save_as_external_data=True, location="data", size_threshold=0)
    with pytest.raises(StageError, match="keeps its weights outside"):
        read(path.read_bytes())


def _dims(value: Any) -> tuple[int | str, ...]:
    return tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)
