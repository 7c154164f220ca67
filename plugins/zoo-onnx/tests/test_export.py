"""What an export takes, what it leaves, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
import zoo_onnx
from onnx import TensorProto, helper, numpy_helper
from zoo_onnx.exporter import OnnxExporter

from zoo_core.errors import DataError, RegistryError, UsageError, ZooError
from zoo_core.plugins.manager import Plugins
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import files_stage, tiny_model

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (64, 96)


def with_input(shape: list[Any], dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """The tiny network with another declared input."""
    model = tiny_model(SIZE)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", dtype, shape))
    return model


def test_a_copy_is_the_same_bytes(tmp_path: Path, exported: Any) -> None:
    graph, folder, found = exported(tiny_model(SIZE))

    assert (folder / "model.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()
    assert found["same_bytes"] is True
    assert found["max_abs"] == 0.0
    assert found["reference"].startswith("m.onnx itself, run by ONNX Runtime")
    assert found["input"]["shape"] == [2, 3, *SIZE]
    assert graph.facts["opset"] == 17
    assert graph.facts["size_made_fixed"] is False


def test_a_static_batch_stays_static(exported: Any) -> None:
    model = with_input([1, 3, *SIZE])
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph, _, found = exported(model)

    assert graph.inputs[0].shape == (1, 3, *SIZE)
    assert graph.outputs[0].shape == (1, 6, 16, 24)
    assert found["input"]["shape"] == [1, 3, *SIZE]


def test_an_open_size_is_made_fixed_and_computes_the_same(exported: Any) -> None:
    model = with_input(["n", 3, "height", "width"])
    dims = model.graph.output[0].type.tensor_type.shape.dim
    dims[2].dim_param, dims[3].dim_param = "rows", "columns"
    graph, folder, found = exported(model)

    assert graph.inputs[0].shape == ("n", 3, *SIZE)
    assert graph.outputs[0].shape == ("n", 6, 16, 24)
    assert graph.facts["size_made_fixed"] is True
    assert found["same_bytes"] is False
    assert found["max_rel"] <= 1e-5
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    assert session.get_inputs()[0].shape == ["n", 3, *SIZE]
    (heads,) = session.run(None, {"input": np.zeros((3, 3, *SIZE), np.float32)})
    assert heads.shape == (3, 6, 16, 24)


def test_outputs_without_a_shape_are_inferred(exported: Any) -> None:
    model = tiny_model(SIZE)
    model.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info("head0"))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    graph, _, found = exported(model)

    assert graph.outputs[0].shape == ("batch", 6, 16, 24)
    assert graph.facts["size_made_fixed"] is False
    assert found["max_abs"] == 0.0


def two_inputs() -> onnx.ModelProto:
    model = tiny_model(SIZE)
    model.graph.input.append(helper.make_tensor_value_info("sizes", TensorProto.FLOAT, [1, 2]))
    return model


def wrong_operator() -> onnx.ModelProto:
    model = tiny_model(SIZE)
    model.graph.node[1].op_type = "NoSuchThing"
    return model


def lying() -> onnx.ModelProto:
    """A Reshape by a shape that only a run can tell, with another one declared."""
    model = tiny_model(SIZE)
    model.graph.node[-1].output[0] = "before"
    shape = np.array([-1, 1, -1, -1], np.int64)
    model.graph.initializer.append(numpy_helper.from_array(shape, "to"))
    model.graph.node.append(helper.make_node("Neg", ["to"], ["how"]))
    model.graph.node.append(helper.make_node("Reshape", ["before", "how"], ["head0"]))
    return model


@pytest.mark.parametrize(
    ("model", "params", "what"),
    [
        (tiny_model(SIZE), {"input": "images"}, "its input is 'input', the card says 'images'"),
        (tiny_model(SIZE), {"outputs": ["a"]}, "its outputs are head0, the card says a"),
        (tiny_model((32, 32)), {}, "takes images of 32x32, asked for 64x96; use --size 32,32"),
        (with_input(["n", 3, *SIZE], TensorProto.INT64), {}, "is int64 .*not a type for pixels"),
        (with_input(["n", 3, 64]), {}, "neither .batch, 3, height, width. nor"),
        (with_input(["n", 4, *SIZE]), {}, "images of three colours"),
        (two_inputs(), {}, "inputs beside the image: 'sizes' is float .1, 2."),
        (two_inputs(), {"inputs": {"size": 1}}, "has no input 'size', .* inputs are input, sizes"),
        (two_inputs(), {"inputs": {"sizes": [1, 2, 3]}}, "which the value .1, 2, 3. does not fill"),
        (wrong_operator(), {}, "is not valid ONNX"),
        (lying(), {}, "as the file states"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    exported: Any, model: onnx.ModelProto, params: dict[str, Any], what: str
) -> None:
    with pytest.raises(DataError, match=what):
        exported(model, **params)


@pytest.mark.parametrize("key", ["input", "outputs"])
def test_what_to_write_in_the_card_can_be_copied(exported: Any, key: str) -> None:
    """Also names that YAML reads as numbers, such as those that PyTorch 1 gave."""
    model = tiny_model(SIZE)
    for node in model.graph.node:
        node.input[:] = ["0" if name == "input" else name for name in node.input]
        node.output[:] = ["758" if name == "head0" else name for name in node.output]
    model.graph.input[0].name, model.graph.output[0].name = "0", "758"
    wrong = {"input": "images", "outputs": ["a"]}
    with pytest.raises(DataError) as caught:
        exported(model, **{key: wrong[key]})
    line = caught.value.next.removeprefix("write ").partition(" in the card's")[0]
    exported(model, **yaml.safe_load(line))


@pytest.mark.parametrize("content", [b"", b"not an onnx file at all", b"PK\x03\x04 zip"])
def test_other_files_are_refused(tmp_path: Path, content: bytes, asked: Any) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    stages = [files_stage({"weights": path}), *OnnxExporter().stages(model_card(), asked())]
    with pytest.raises(DataError, match=r"m\.onnx"):
        run_stages(stages, tmp_path, Plugins([zoo_onnx]))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"weights": "random", "files": {}}, "are inside it"),
        ({"source": "repo"}, "taken as it is"),
        ({"form": "e2e"}, "raw heads, no decoded boxes"),
        ({"format": "darknet"}, "not an ONNX file"),
    ],
)
def test_requests_that_a_file_cannot_meet(changes: dict[str, Any], what: str, asked: Any) -> None:
    with pytest.raises(UsageError, match=what):
        OnnxExporter().stages(model_card(), asked(**changes))


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"forms": "e2e"}, "did you mean 'form'"),
        ({"form": "boxes"}, "unknown form 'boxes'"),
        ({"input": 3}, "'input' must be a name"),
        ({"outputs": "head0"}, "'outputs' must be a list"),
        ({"inputs": ["size"]}, "'inputs' must give each name a value"),
        ({"inputs": {"size": "image"}}, "height_width or width_height"),
        ({"inputs": {"size": [["height_width"]]}}, "'inputs' must give each name a value"),
    ],
)
def test_wrong_parameters_of_a_card(params: dict[str, Any], what: str, asked: Any) -> None:
    with pytest.raises(RegistryError, match=what):
        OnnxExporter().stages(model_card(exporter_params=params), asked())


def test_an_e2e_file_is_taken_where_heads_are_wanted(exported: Any) -> None:
    graph, _, _ = exported(tiny_model(SIZE), form="e2e")

    assert graph.form == "e2e"


def test_failures_are_one_line(exported: Any) -> None:
    with pytest.raises(ZooError) as raised:
        exported(wrong_operator())
    assert "\n" not in str(raised.value)
