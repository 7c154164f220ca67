from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
import pytest
from onnx import TensorProto, helper
from onnx.external_data_helper import convert_model_to_external_data

from zoo_core.errors import DataError
from zoo_core.testing.examples import tiny_model
from zoo_core.toolkit.onnx_file import (
    Span,
    apart,
    domains,
    facts,
    load,
    mapped,
    opset,
    save,
    skeleton,
    start,
    without,
)

if TYPE_CHECKING:
    from pathlib import Path


def model() -> onnx.ModelProto:
    kind, shape = TensorProto.FLOAT, ["batch", 3]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"], "add")],
        "net",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
        [helper.make_tensor("w", kind, [3], [1.0, 2.0, 3.0])],
        doc_string="small",
    )
    made = helper.make_model(
        graph, producer_name="test", opset_imports=[helper.make_opsetid("", 17)]
    )
    helper.set_model_props(made, {"key": "value"})
    return made


@pytest.mark.parametrize("field", ["graph", "opset_import", "producer_name", "metadata_props"])
def test_a_message_lacks_only_the_field(field: str) -> None:
    whole = model()
    rest = without(whole, field)
    expected = model()
    expected.ClearField(field)
    assert rest == expected
    assert whole == model()


@pytest.mark.parametrize(("size", "length"), [(1, 1), (127, 1), (128, 2), (300, 2), (70_000, 3)])
def test_a_start_is_that_of_the_library(size: int, length: int) -> None:
    written = TensorProto(raw_data=bytes(size)).SerializeToString()
    head = start(TensorProto, "raw_data", size)
    assert len(head) == 1 + length
    assert written == head + bytes(size)


def test_a_field_written_by_hand_is_read_as_the_library_reads_it() -> None:
    graph = model().graph.SerializeToString()
    written = without(model(), "graph").SerializeToString()
    written += start(onnx.ModelProto, "graph", len(graph)) + graph
    assert onnx.ModelProto.FromString(written) == model()


@pytest.mark.parametrize("field", ["graph", "opset_import", "producer_name", "ir_version"])
def test_a_field_is_found_in_the_bytes(field: str) -> None:
    written = model().SerializeToString()
    rest, spans = apart(onnx.ModelProto, field, written, Span(0, len(written)))
    assert rest == without(model(), field)
    assert len(spans) == 1
    if field == "graph":
        [[begin, end]] = spans
        assert onnx.GraphProto.FromString(written[begin:end]) == model().graph


def test_fields_of_every_wire_type_are_passed_over() -> None:
    tensor = TensorProto(
        dims=[3], data_type=TensorProto.FLOAT, float_data=[1.5], double_data=[2.5], raw_data=b"here"
    )
    unpacked = b"\x25" + bytes(4) + b"\x51" + bytes(8)  # one number of 32 and one of 64 bits
    written = b"before" + tensor.SerializeToString() + unpacked + b"after"
    rest, [span] = apart(TensorProto, "raw_data", written, Span(6, len(written) - 5))
    assert written[span.begin : span.end] == b"here"
    assert list(rest.float_data) == [1.5, 0.0]
    assert list(rest.double_data) == [2.5, 0.0]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"\x3a\x05abc", "beyond the end"),
        (b"\x25\x00", "beyond the end"),
        (b"\x0b", "no field begins"),
        (b"\x08\xff", "has no end"),
        (b"\xff" * 12, "has no end"),
        (b"\x42\x02\x08\xff", "[Pp]arsing|decode"),
    ],
)
def test_bytes_that_are_no_message_are_told(written: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        apart(onnx.ModelProto, "graph", written, Span(0, len(written)))


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    model = tiny_model((32, 48))
    model.producer_name = "test"
    model.graph.doc_string = "small"
    before = model.SerializeToString(deterministic=True)
    save(model, tmp_path / "model.onnx")
    assert load(tmp_path / "model.onnx") == model
    assert model.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)


def test_a_model_without_constants_is_written_too(tmp_path: Path) -> None:
    model = tiny_model((32, 48))
    del model.graph.initializer[:]
    save(model, tmp_path / "model.onnx")
    assert load(tmp_path / "model.onnx") == model


def test_values_that_are_not_raw_are_written_and_read(tmp_path: Path) -> None:
    model = tiny_model((32, 48))
    kinds = [
        onnx.helper.make_tensor("floats", onnx.TensorProto.FLOAT, [2], [0.5, 2.0]),
        onnx.helper.make_tensor("whole", onnx.TensorProto.INT64, [2], [-1, 300]),
        onnx.helper.make_tensor("empty", onnx.TensorProto.FLOAT, [0], b"", raw=True),
    ]
    model.graph.initializer.extend(kinds)
    save(model, tmp_path / "model.onnx")
    assert load(tmp_path / "model.onnx") == model == onnx.load(str(tmp_path / "model.onnx"))


def test_external_data_are_read_with_the_file(tmp_path: Path) -> None:
    model = tiny_model((32, 48))
    kept = onnx.ModelProto.FromString(model.SerializeToString())
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, tmp_path / "model.onnx")
    found = load(tmp_path / "model.onnx")
    for before, after in zip(kept.graph.initializer, found.graph.initializer, strict=True):
        assert before.raw_data == after.raw_data


def test_small_constants_stay_with_a_mapped_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(model(), path)
    assert mapped(path).model == model().SerializeToString()


def test_values_that_a_model_lacks_are_written_when_they_are_due(tmp_path: Path) -> None:
    whole = tiny_model((32, 48))
    hollow, values = onnx.ModelProto.FromString(whole.SerializeToString()), {}
    for tensor in hollow.graph.initializer[::2]:
        array = onnx.numpy_helper.to_array(tensor).copy()
        values[tensor.name] = lambda array=array: array
        tensor.ClearField("raw_data")
    assert values
    save(hollow, tmp_path / "model.onnx", values)
    assert load(tmp_path / "model.onnx") == whole


def test_a_skeleton_infers_the_same_shapes_without_the_weights() -> None:
    whole = tiny_model((32, 48))
    bare = skeleton(whole, whole.graph.input, whole.graph.output, 8)
    assert len(bare.graph.initializer) < len(whole.graph.initializer)
    found, expected = map(onnx.shape_inference.infer_shapes, (bare, whole))
    shapes = {value.name: value.type for value in expected.graph.value_info}
    assert {value.name: value.type for value in found.graph.value_info} == shapes


def test_facts_of_a_file() -> None:
    assert facts(model()) == {"opset": 17, "ir_version": model().ir_version, "producer": "test"}
    assert (opset(model()), domains(model())) == (17, [])


@pytest.mark.parametrize("take", [load, mapped])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not an ONNX file"),
        (b"\x0f", "is not an ONNX file"),
        (b"\x3a\x7f", "is not an ONNX file"),
        (b"\x80" * 20, "is not an ONNX file"),
        (b"a text, not a model", "is not an ONNX file"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_model_is_told(tmp_path: Path, take: Any, content: bytes, told: str) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=told) as raised:
        take(path)
    assert str(path) in str(raised.value)


def test_a_model_cut_short_is_told(tmp_path: Path) -> None:
    written = tiny_model((32, 48)).SerializeToString()
    path = tmp_path / "model.onnx"
    for size in range(5, len(written), len(written) // 37):
        path.write_bytes(written[:-size])
        with pytest.raises(DataError, match="is not an ONNX file"):
            mapped(path)
