from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data, uses_external_data
from zoo_onnxruntime.engine import open_session, run

from zoo_core.errors import StageError
from zoo_core.toolkit.onnx_file import mapped

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("outside", [False, True])
def test_a_mapped_model_computes_what_the_file_does(
    nets: Any, images: Any, tmp_path: Path, outside: bool
) -> None:
    path = tmp_path / "model.onnx"
    model = nets.mish()
    whole = len(model.SerializeToString())
    if outside:
        convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, path)
    light = mapped(path)
    assert len(light.model) < whole
    left = {
        tensor.name: uses_external_data(tensor)
        for tensor in onnx.ModelProto.FromString(light.model).graph.initializer
    }
    assert any(left.values())
    sessions = [open_session(source, 1) for source in (path, light)]
    names = [value.name for value in sessions[0].get_outputs()]
    feeds = {sessions[0].get_inputs()[0].name: images[:2]}
    for a, b in zip(*(run(session, names, feeds) for session in sessions), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("operator", "domain", "what"),
    [
        ("Crop", "mine", "ONNX Runtime has no operator mine:Crop"),
        ("Frob", "", "ONNX Runtime has no operator Frob"),
        ("Elu", "", "ONNX Runtime has no operator Elu(6) for the types of node 'n'"),
    ],
)
def test_an_operator_that_is_missing_is_named(operator: str, domain: str, what: str) -> None:
    kind = onnx.TensorProto.DOUBLE if operator == "Elu" else onnx.TensorProto.FLOAT
    x, y = (onnx.helper.make_tensor_value_info(name, kind, [1, 3, 8, 8]) for name in "xy")
    node = onnx.helper.make_node(operator, ["x"], ["y"], "n", domain=domain)
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    if domain:
        model.opset_import.append(onnx.helper.make_opsetid(domain, 1))
    with pytest.raises(StageError) as caught:
        open_session(model.SerializeToString(), 1, where="m.onnx")
    assert (caught.value.what, caught.value.where) == (what, "m.onnx")
    assert caught.value.next.startswith("export the network without it")


def test_another_refusal_is_told_in_the_engines_words() -> None:
    with pytest.raises(StageError, match="ONNX Runtime refuses the graph: "):
        open_session(b"", 1)
