from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from zoo_core.formats.protobuf import start, without


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
