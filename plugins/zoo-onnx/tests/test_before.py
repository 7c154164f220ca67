"""Values in other files, and what is known of a file before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from zoo_onnx.exporter import OnnxExporter

from zoo_core.errors import DataError
from zoo_core.testing import model_card
from zoo_core.testing.examples import preprocess, tiny_model

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIZE = (64, 96)
FATAL = 4


def outputs(model: Path, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """What ONNX Runtime gives without any help of zoo."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    return onnxruntime.InferenceSession(str(model), options).run(None, feeds)


def pixels(count: int = 2, height: int = SIZE[0], width: int = SIZE[1]) -> NDArray[np.float32]:
    return np.random.default_rng(1).random((count, 3, height, width), dtype=np.float32)


def list_as_inputs(model: onnx.ModelProto) -> None:
    for item in model.graph.initializer:
        shape = list(item.dims)
        model.graph.input.append(helper.make_tensor_value_info(item.name, item.data_type, shape))


def with_input(shape: list[Any], dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """The tiny network with another declared input."""
    model = tiny_model(SIZE)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", dtype, shape))
    return model


def beside(model: onnx.ModelProto, path: Path, location: str) -> None:
    """Save the model with its values in files of this name, one for each with `{}` in it."""
    for number, item in enumerate(model.graph.initializer):
        name = location.format(number)
        file = path.parent / name
        file.parent.mkdir(exist_ok=True)
        begin = file.stat().st_size if file.exists() else 0
        with file.open("ab") as stream:
            stream.write(item.raw_data + b"\0" * 5)
        item.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", name),
            ("offset", str(begin)),
            ("length", str(len(item.raw_data))),
        ):
            item.external_data.add(key=key, value=value)
        item.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("location", ["m.onnx.data", "values", "sub/part {}.bin"])
def test_values_in_other_files_are_read(tmp_path: Path, exported_file: Any, location: str) -> None:
    path = tmp_path / "m.onnx"
    beside(tiny_model(SIZE), path, location)
    graph, folder, found = exported_file(path)

    assert "written into the file" in graph.facts["changes"][0]
    assert found["max_abs"] == 0.0
    (expected,) = outputs(path, {"input": pixels()})
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((folder / "model.onnx").read_bytes())
    (have,) = outputs(alone, {"input": pixels()})
    np.testing.assert_array_equal(have, expected)


def test_small_values_in_another_file_are_read_for_shapes(
    tmp_path: Path, exported_file: Any
) -> None:
    """ONNX Runtime itself refuses such a file: it infers the shape from values that are aside."""
    model = tiny_model(SIZE)
    model.graph.node[-1].output[0] = "map"
    scales = np.array([1, 1, 2, 2], np.float32)
    model.graph.initializer.append(numpy_helper.from_array(scales, "scales"))
    model.graph.node.append(helper.make_node("Resize", ["map", "", "scales"], ["head0"]))
    for axis, side in ((2, SIZE[0] // 2), (3, SIZE[1] // 2)):
        model.graph.output[0].type.tensor_type.shape.dim[axis].dim_value = side
    beside(model, tmp_path / "m.onnx", "m.data")
    graph, _, found = exported_file(tmp_path / "m.onnx")

    assert graph.outputs[0].shape == ("batch", 6, 32, 48)
    assert found["max_abs"] == 0.0


@pytest.mark.parametrize(
    "location", ["../m.data", "/m.data", "sub/../../m.data", "..\\m.data", "", "sub/..", "\\m"]
)
def test_no_location_leads_out_of_the_folder(tmp_path: Path, location: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "m.data").write_bytes(bytes(1 << 16))
    model = tiny_model(SIZE)
    beside(model, inside / "m.onnx", "m.data")
    for item in model.graph.initializer:
        item.external_data[0].value = location
    (inside / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="leads out of its folder"):
        OnnxExporter().parts(inside / "m.onnx")


def test_a_link_leads_no_further_than_the_models_own(tmp_path: Path) -> None:
    blobs, shown = tmp_path / "blobs", tmp_path / "shown"
    blobs.mkdir()
    shown.mkdir()
    beside(tiny_model(SIZE), blobs / "m.onnx", "m.data")
    (shown / "m.data").symlink_to(blobs / "m.data")
    (shown / "m.onnx").symlink_to(blobs / "m.onnx")
    assert list(OnnxExporter().parts(shown / "m.onnx")) == ["m.data"]

    (shown / "m.onnx").unlink()
    (shown / "m.onnx").write_bytes((blobs / "m.onnx").read_bytes())
    with pytest.raises(DataError, match="a link that leads out of its folder"):
        OnnxExporter().parts(shown / "m.onnx")


def test_files_that_are_missing_or_short_are_told(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    beside(tiny_model(SIZE), path, "m.data")
    data = tmp_path / "m.data"
    size = data.stat().st_size
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(DataError, match=f"has 1,000 bytes, the model needs {size - 5:,}"):
        OnnxExporter().parts(path)
    data.unlink()
    with pytest.raises(DataError, match=r"keeps values in 'm\.data', which is not there"):
        OnnxExporter().parts(path)


def test_a_place_that_is_no_number_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    model = tiny_model(SIZE)
    beside(model, path, "m.data")
    model.graph.initializer[0].external_data[1].value = "first"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=r"no sensible place of the values of 'conv0\.weight'"):
        OnnxExporter().parts(path)


@pytest.mark.parametrize(
    ("shape", "size", "batch", "fixed"),
    [
        (["n", 3, *SIZE], SIZE, None, True),
        ([4, 3, *SIZE], SIZE, 4, True),
        ([1, *SIZE, 3], SIZE, 1, True),
        (["n", 3, "h", "w"], None, None, False),
        ([None, 3, 48, None], (48, 32), None, False),
    ],
)
def test_what_the_file_has_fixed_is_known_while_planning(
    tmp_path: Path, shape: list[Any], size: tuple[int, int], batch: int | None, fixed: bool
) -> None:
    model = with_input(shape)
    list_as_inputs(model)
    beside(model, tmp_path / "m.onnx", "gone.data")
    (tmp_path / "gone.data").unlink()
    found = OnnxExporter().settings(model_card(size=(32, 32)), {"weights": tmp_path / "m.onnx"})

    assert (found.size, found.batch, found.fixed_size) == (size, batch, fixed)
    assert found.channels == 3
    assert found.origins["channels"].startswith("m.onnx: input 'input' is float [")


@pytest.mark.parametrize(
    ("change", "params", "what"),
    [
        ({"inputs": {}}, {}, "inputs beside the image: 'orig_size'"),
        ({}, {"outputs": ["boxes"]}, "its outputs are head0, the card says boxes"),
        ({"kind": TensorProto.INT64}, {}, "not a type for pixels"),
        ({"kind": TensorProto.UINT8, "steps": True}, {}, "the card's preprocess has scale"),
    ],
)
def test_what_does_not_fit_is_refused_while_planning(
    tmp_path: Path, change: dict[str, Any], params: dict[str, Any], what: str
) -> None:
    model = with_input(["n", 3, *SIZE], change.get("kind", TensorProto.FLOAT))
    if "inputs" in change:
        value = helper.make_tensor_value_info("orig_size", TensorProto.FLOAT, ["n", 2])
        model.graph.input.append(value)
    onnx.save(model, tmp_path / "m.onnx")
    steps = preprocess(SIZE) if "steps" in change else ()
    card = model_card(exporter_params=params, preprocess=steps)
    with pytest.raises(DataError, match=what):
        OnnxExporter().settings(card, {"weights": tmp_path / "m.onnx"})


@pytest.mark.parametrize("name", [b"m.data", b"conv0.weight", b"act0", b"input"])
def test_names_that_are_not_utf8_are_told(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "m.onnx"
    beside(tiny_model(SIZE), path, "m.data")
    content = path.read_bytes()
    assert name in content
    path.write_bytes(content.replace(name, b"\xff" + name[1:]))
    with pytest.raises(DataError, match=r"m\.onnx: holds names that are not UTF-8"):
        OnnxExporter().parts(path)
