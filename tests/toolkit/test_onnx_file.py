from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from zoo_core.toolkit.onnx_file import Span, apart, start, without


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
