"""Files that do NMS themselves say so."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def network(is_constant: bool, has_score: bool) -> onnx.ModelProto:
    """The boxes that NonMaxSuppression picks; thresholds as initialisers or as constants."""
    values = {"most": np.array([9]), "iou": np.float32([0.6]), "score": np.float32([0.25])}
    tensors = [numpy_helper.from_array(value, name) for name, value in values.items()]
    shape = numpy_helper.from_array(np.array([1, 4608, 4]), "shape")
    scores = numpy_helper.from_array(np.zeros((1, 2, 4608), np.float32), "scores")
    given = ["boxes", "scores", "most", "iou"] + ["score"] * has_score
    nodes = [helper.make_node("Constant", [], [t.name], value=t) for t in tensors * is_constant]
    nodes += [
        helper.make_node("Reshape", ["input", "shape"], ["boxes"]),
        helper.make_node("NonMaxSuppression", given, ["picked"]),
        helper.make_node("Cast", ["picked"], ["output"], to=TensorProto.FLOAT),
    ]
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 96])
    picked = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 3])
    initial = [shape, scores, *([] if is_constant else tensors)]
    graph = helper.make_graph(nodes, "g", [image], [picked], initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("is_constant", [True, False])
@pytest.mark.parametrize("has_score", [True, False])
def test_a_file_that_suppresses_boxes_says_where(
    exported: Any, is_constant: bool, has_score: bool
) -> None:
    graph, _, _ = exported(network(is_constant, has_score))
    text = "at IoU 0.6 of scores above 0.25" if has_score else "at IoU 0.6"
    assert any(f"does NMS itself, {text}; boxes" in row for row in graph.warnings)
    assert graph.facts["ranks"]
