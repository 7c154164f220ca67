"""Files as other tools write them: each gives what plain ONNX Runtime gives for the file itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo_core.errors import DataError
from zoo_core.testing.examples import preprocess, tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Exports = Callable[..., tuple[Any, Path, Any]]

SIZE = (64, 96)
FATAL = 4


def outputs(model: Path, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """What ONNX Runtime gives without any help of zoo."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    return onnxruntime.InferenceSession(str(model), options).run(None, feeds)


def pixels(count: int = 2, height: int = SIZE[0], width: int = SIZE[1]) -> NDArray[np.float32]:
    return np.random.default_rng(1).random((count, 3, height, width), dtype=np.float32)


def same(
    folder: Path, given: dict[str, NDArray[Any]], image: NDArray[np.float32], near: float = 1e-5
) -> None:
    """The graph, fed with the image alone, against the file, fed as its tool would feed it."""
    expected = outputs(folder.parent / "m.onnx", given)
    found = outputs(folder / "model.onnx", {"input": image})
    for wanted, have in zip(expected, found, strict=True):
        assert have.dtype == (np.float32 if wanted.dtype == np.float16 else wanted.dtype)
        np.testing.assert_allclose(have, wanted, rtol=1e-4, atol=near)


@pytest.fixture
def taken(tmp_path: Path, exported: Exports) -> Callable[..., tuple[Any, Path]]:
    """Exports a model: its graph, and a folder beside m.onnx that holds the result."""

    def run(model: onnx.ModelProto, **params: Any) -> tuple[Any, Path]:
        graph, folder, _ = exported(model, **params)
        beside = tmp_path / "graph"
        beside.mkdir()
        (beside / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
        return graph, beside

    return run


def list_as_inputs(model: onnx.ModelProto) -> None:
    for item in model.graph.initializer:
        shape = list(item.dims)
        model.graph.input.append(helper.make_tensor_value_info(item.name, item.data_type, shape))


@pytest.mark.parametrize("ir", [3, 4, 6, 8, 10])
def test_initialisers_among_the_inputs_become_constants(taken: Any, ir: int) -> None:
    model = tiny_model(SIZE)
    list_as_inputs(model)
    model.ir_version = ir
    graph, folder = taken(model)

    assert [spec.name for spec in graph.inputs] == ["input"]
    assert [v.name for v in onnx.load(folder / "model.onnx").graph.input] == ["input"]
    same(folder, {"input": pixels()}, pixels())


def test_an_input_with_a_default_takes_the_value_that_the_card_states(taken: Any) -> None:
    model = tiny_model(SIZE)
    list_as_inputs(model)
    bias = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    _, folder = taken(model, inputs={"conv2.bias": bias})

    same(folder, {"input": pixels(), "conv2.bias": np.array(bias, np.float32)}, pixels())


def test_an_image_with_a_default_stays_an_input(taken: Any) -> None:
    model = tiny_model(SIZE)
    list_as_inputs(model)
    model.graph.initializer.append(numpy_helper.from_array(pixels(), "input"))
    _, folder = taken(model, input="input")

    same(folder, {"input": pixels() / 2}, pixels() / 2)


def test_unsorted_nodes_are_sorted_and_told(taken: Any) -> None:
    model = tiny_model(SIZE)
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    graph, folder = taken(model)

    onnx.checker.check_model(onnx.load(folder / "model.onnx"), full_check=True)
    assert [node.name for node in onnx.load(folder / "model.onnx").graph.node] == [
        node.name for node in tiny_model(SIZE).graph.node
    ]
    assert graph.warnings == ("m.onnx: 4 nodes moved after the nodes whose results they read",)
    same(folder, {"input": pixels()}, pixels())


def test_nodes_that_wait_for_each_other_are_refused(exported: Any) -> None:
    model = tiny_model(SIZE)
    model.graph.node[0].input[0] = "head0"
    with pytest.raises(DataError, match="5 nodes wait for each other"):
        exported(model)


def test_an_opset_of_the_future_is_refused(exported: Any) -> None:
    model = tiny_model(SIZE)
    model.opset_import[0].version = 99
    with pytest.raises(DataError, match=r"is of opset 99, onnx \S+ knows up to \d+"):
        exported(model)


def test_functions_of_the_file_are_written_out(taken: Any) -> None:
    model = tiny_model(SIZE)
    body = [helper.make_node("Relu", ["x"], ["y"])]
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Rectify", ["x"], ["y"], body, imports))
    model.graph.node[1].domain, model.graph.node[1].op_type = "own", "Rectify"
    model.opset_import.append(helper.make_opsetid("own", 1))
    graph, folder = taken(model)

    assert graph.facts["domains"] == []
    same(folder, {"input": pixels()}, pixels())


def as_float16(model: onnx.ModelProto) -> None:
    for item in model.graph.initializer:
        item.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float16), item.name)
        )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16


def half_inside(model: onnx.ModelProto) -> None:
    """Float32 at both ends, as converters leave it that keep the types of inputs and outputs."""
    as_float16(model)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    model.graph.node[0].input[0], model.graph.node[-1].output[0] = "begin", "end"
    model.graph.node.insert(0, helper.make_node("Cast", ["input"], ["begin"], to=10))
    model.graph.node.append(helper.make_node("Cast", ["end"], ["head0"], to=1))


@pytest.mark.parametrize(("change", "dtype"), [(as_float16, np.float16), (half_inside, np.float32)])
def test_float16_becomes_float32(taken: Any, change: Any, dtype: Any) -> None:
    model = tiny_model(SIZE)
    change(model)
    graph, folder = taken(model)

    assert (graph.inputs[0].dtype, graph.outputs[0].dtype) == ("float32", "float32")
    assert graph.inputs[0].shape == ("batch", 3, *SIZE)
    assert "float16 tensors and casts made float32" in graph.facts["changes"][0]
    inside = onnx.load(folder / "model.onnx").graph
    assert {tensor.data_type for tensor in inside.initializer} == {TensorProto.FLOAT}
    same(folder, {"input": pixels().astype(dtype)}, pixels(), near=2e-3)


def test_constants_and_branches_in_float16_become_float32(taken: Any) -> None:
    """An If whose branches add a constant, and a tensor made of a type that an attribute names."""
    model = tiny_model(SIZE)
    as_float16(model)
    model.graph.node[-1].output[0] = "map"
    one = numpy_helper.from_array(np.array(1, np.float16), "one")

    def branch(name: str, op: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Constant", [], ["one"], value=one),
            helper.make_node(op, ["map", "one"], [name]),
        ]
        end = helper.make_tensor_value_info(name, TensorProto.FLOAT16, None)
        return helper.make_graph(nodes, name, [], [end])

    zeros = helper.make_tensor("value", TensorProto.FLOAT16, [1], [2.0])
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "length"))
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["length"], ["two"], value=zeros),
            helper.make_node("Cast", ["two"], ["is"], to=TensorProto.BOOL),
            helper.make_node(
                "If",
                ["is"],
                ["added"],
                then_branch=branch("plus", "Add"),
                else_branch=branch("minus", "Sub"),
            ),
            helper.make_node("Mul", ["added", "two"], ["head0"]),
        ]
    )
    _, folder = taken(model)

    same(folder, {"input": pixels().astype(np.float16)}, pixels(), near=2e-2)


def with_input(shape: list[Any], dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """The tiny network with another declared input."""
    model = tiny_model(SIZE)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", dtype, shape))
    return model


def channels_last(kind: int) -> onnx.ModelProto:
    """The tiny network behind a cast and a transpose, as converters from TensorFlow write it."""
    model = with_input(["n", *SIZE, 3], kind)
    for name in model.graph.node[0].input[:1]:
        model.graph.node[0].input[0] = f"{name}/first"
    cast = helper.make_node("Cast", ["input"], ["cast"], to=TensorProto.FLOAT)
    turn = helper.make_node("Transpose", ["cast"], ["input/first"], perm=[0, 3, 1, 2])
    nodes = [cast, turn, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8, TensorProto.DOUBLE])
def test_channels_last_and_other_types_of_pixels(taken: Any, kind: int) -> None:
    graph, folder = taken(channels_last(kind))
    image = np.rint(pixels() * 255)

    assert graph.inputs[0].shape == ("n", 3, *SIZE)
    assert graph.facts["pixels"] == {"kind": kind, "channels_last": True}
    given = image.transpose(0, 2, 3, 1).astype(helper.tensor_dtype_to_np_dtype(kind))
    same(folder, {"input": np.ascontiguousarray(given)}, image)


def test_pixels_between_two_integers_are_rounded_for_uint8(taken: Any) -> None:
    _, folder = taken(channels_last(TensorProto.UINT8))
    image = np.full((1, 3, *SIZE), 127.6, np.float32)
    image[:, 1], image[:, 2] = -3.0, 300.0
    given = np.zeros((1, *SIZE, 3), np.uint8)
    given[..., 0], given[..., 2] = 128, 255

    same(folder, {"input": given}, image)


def test_an_image_is_scaled_by_the_card_or_by_the_file(exported: Any) -> None:
    with pytest.raises(DataError, match="uint8, the card's preprocess has scale; leave that out"):
        exported(channels_last(TensorProto.UINT8), preprocess=preprocess(SIZE))


@pytest.mark.parametrize("shape", [["n", 1, *SIZE], ["n", *SIZE, 1]])
def test_grey_images(exported: Any, shape: list[Any]) -> None:
    model = with_input(shape)
    kernel = model.graph.initializer[0]
    grey = numpy_helper.to_array(kernel).sum(axis=1, keepdims=True)
    kernel.CopyFrom(numpy_helper.from_array(grey, kernel.name))
    if shape[3] == 1:
        model.graph.node[0].input[0] = "first"
        turn = helper.make_node("Transpose", ["input"], ["first"], perm=[0, 3, 1, 2])
        model.graph.node.insert(0, turn)
    graph, _, found = exported(model, channels=1)

    assert graph.inputs[0].shape == ("n", 1, *SIZE)
    assert found["max_abs"] < 1e-5
    with pytest.raises(DataError, match="takes images of 1 channels, the preprocess makes 3"):
        exported(model)


def test_an_open_number_of_channels_is_made_fixed(exported: Any) -> None:
    graph, _, found = exported(with_input(["n", "c", "h", "w"]))

    assert graph.inputs[0].shape == ("n", 3, *SIZE)
    assert found["max_abs"] == 0.0


def with_sizes(rows: int | str, batch: int | str = "n") -> onnx.ModelProto:
    """A further input that scales the outputs, as RT-DETR's orig_target_sizes does."""
    model = with_input([batch, 3, *SIZE])
    model.graph.input.append(
        helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [rows, 2])
    )
    del model.graph.output[:]
    shape = [batch, 2, 3, 16, 24]
    model.graph.output.append(helper.make_tensor_value_info("boxes", TensorProto.FLOAT, shape))
    shapes = {"split": [0, 2, 3, 16, 24], "spread": [-1, 2, 1, 1, 1]}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in shapes.items()
    )
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["sizes", "spread"], ["factors"]),
            helper.make_node("Reshape", ["head0", "split"], ["pairs"]),
            helper.make_node("Mul", ["pairs", "factors"], ["boxes"]),
        ]
    )
    return model


@pytest.mark.parametrize(
    ("rows", "batch", "value", "row"),
    [
        ("n", "n", None, [96, 64]),
        ("n", "n", "height_width", [64, 96]),
        (1, "n", [5, 7], [5, 7]),
        (4, 4, "width_height", [96, 64]),
        ("n", 4, [[5, 7]], [5, 7]),
        ("n", "n", 3, [3, 3]),
    ],
)
def test_sizes_are_filled_in_for_each_image(
    taken: Any, rows: int | str, batch: int | str, value: Any, row: list[int]
) -> None:
    params = {"inputs": {"orig_target_sizes": value}} if value else {}
    graph, folder = taken(with_sizes(rows, batch), **params)
    count = batch if isinstance(batch, int) else 2
    many = 1 if rows == 1 else count
    given = np.repeat(np.array([row], np.int64), many, axis=0)

    assert [spec.name for spec in graph.inputs] == ["input"]
    told = "is taken to be [[96, 64]], as its name suggests"
    assert [told in text for text in graph.warnings] == ([] if value else [True])
    same(folder, {"input": pixels(count), "orig_target_sizes": given}, pixels(count))


def test_paddle_detections_inputs_keep_boxes_in_pixels_of_the_input(taken: Any) -> None:
    """Boxes are divided by scale_factor (y, x); im_shape is (height, width)."""
    model = with_sizes("n")
    model.graph.input[1].CopyFrom(
        helper.make_tensor_value_info("im_shape", TensorProto.FLOAT, ["n", 2])
    )
    factor = helper.make_tensor_value_info("scale_factor", TensorProto.FLOAT, ["n", 2])
    model.graph.input.append(factor)
    cast = next(node for node in model.graph.node if node.op_type == "Cast")
    cast.CopyFrom(helper.make_node("Div", ["im_shape", "scale_factor"], ["sizes"]))
    graph, folder = taken(model)
    shape, factors = np.array([[64, 96]] * 2, np.float32), np.ones((2, 2), np.float32)

    assert graph.facts["constants"] == {
        "im_shape": {"value": [[64.0, 96.0]], "per_image": True},
        "scale_factor": {"value": [[1.0, 1.0]], "per_image": True},
    }
    same(folder, {"input": pixels(), "im_shape": shape, "scale_factor": factors}, pixels())


def test_the_first_of_several_inputs_is_found_by_its_shape(taken: Any) -> None:
    model = with_sizes("n")
    values = list(model.graph.input)[::-1]
    del model.graph.input[:]
    model.graph.input.extend(values)
    graph, _ = taken(model)

    assert [spec.name for spec in graph.inputs] == ["input"]


def in_name_only(model: onnx.ModelProto, shape: list[int]) -> None:
    """Let a Reshape hold the batch of the image that the network was exported with."""
    model.graph.node[-1].output[0] = "map"
    model.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), "shape"))
    model.graph.node.append(helper.make_node("Reshape", ["map", "shape"], ["head0"]))


@pytest.mark.parametrize("shape", [[1, 6, 16, 24], [1, 6, -1, 24]])
def test_a_batch_that_is_dynamic_in_name_only_becomes_1(taken: Any, shape: list[int]) -> None:
    model = with_input(["n", 3, *SIZE])
    in_name_only(model, shape)
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "n"
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "rows"
    graph, folder = taken(model)

    assert graph.inputs[0].shape == (1, 3, *SIZE)
    assert graph.outputs[0].shape[0] == 1
    assert "dynamic in name only" in graph.warnings[0]
    same(folder, {"input": pixels(1)}, pixels(1))


def test_what_onnx_runtime_says_is_not_printed(
    exported: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """It warns of each initialiser among the inputs, and tells of a run that fails."""
    model = with_input(["n", 3, *SIZE])
    list_as_inputs(model)
    in_name_only(model, [1, 6, 16, 24])
    graph, _, _ = exported(model)

    assert graph.inputs[0].shape[0] == 1
    assert capfd.readouterr().err == ""


def test_unnamed_dimensions_everywhere(taken: Any) -> None:
    model = with_input([None, 3, None, None])
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("head0", TensorProto.FLOAT, [None] * 4)
    )
    graph, folder = taken(model)

    assert graph.inputs[0].shape == ("batch", 3, *SIZE)
    assert graph.outputs[0].shape == ("batch", 6, 16, 24)
    same(folder, {"input": pixels()}, pixels())


def test_shapes_that_inference_does_not_know_come_from_a_run(taken: Any) -> None:
    model = tiny_model(SIZE)
    model.graph.node[-1].output[0] = "map"
    model.graph.node.append(
        helper.make_node("Gelu", ["map"], ["head0"], domain="com.microsoft", name="gelu")
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info("head0"))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    graph, folder = taken(model)

    assert graph.outputs[0].shape == ("batch", 6, 16, 24)
    assert graph.facts["domains"] == ["com.microsoft"]
    same(folder, {"input": pixels()}, pixels())


def test_outputs_that_are_no_tensors_are_refused(exported: Any) -> None:
    model = tiny_model(SIZE)
    model.graph.node.append(helper.make_node("SequenceConstruct", ["head0"], ["all"]))
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    sequence = helper.make_sequence_type_proto(kind)
    model.graph.output.append(helper.make_value_info("all", sequence))
    with pytest.raises(DataError, match="'all' is sequence, not a tensor"):
        exported(model)


def test_a_file_that_gives_nan_only_is_refused(taken: Any) -> None:
    model = tiny_model(SIZE)
    first = next(t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT)
    values = numpy_helper.to_array(first) * np.float32(np.nan)
    first.CopyFrom(numpy_helper.from_array(values, first.name))

    with pytest.raises(DataError, match="gives NaN only"):
        taken(model)
