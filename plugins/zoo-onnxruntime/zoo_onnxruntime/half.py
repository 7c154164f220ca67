"""Weights stored as float16, computed with in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from zoo_onnxruntime.graph import constant, replace_nodes

if TYPE_CHECKING:
    from onnx import ModelProto

_LARGEST = float(np.finfo(np.float16).max)
_WORTH = 256
_SCALED = "Linear"
"""In the names of all operators that quantise, dequantise, or compute on integers with scales."""


def store_half(model: ModelProto) -> tuple[int, dict[str, str]]:
    """Store float32 constants of 256 elements or more as float16 with a Cast, in place.

    Engines fold the Cast when they load the file. Returns how many are float16 now, and those that
    had to stay float32, with the reason.
    """
    casts, left = [], {}
    graph = model.graph
    scales = {name for node in graph.node if _SCALED in node.op_type for name in node.input[1:]}
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _WORTH:
            continue
        if tensor.name in scales:  # what a quantiser has measured is not rounded again
            continue
        values = numpy_helper.to_array(tensor)
        if not float(np.abs(values).max()) <= _LARGEST:
            left[tensor.name] = f"its largest magnitude is beyond float16's {_LARGEST:.0f}"
            continue
        name, stored = tensor.name, f"{tensor.name}/float16"
        tensor.CopyFrom(constant(stored, values.astype(np.float16)))
        casts.append(
            helper.make_node("Cast", [stored], [name], name=f"{name}/cast", to=TensorProto.FLOAT)
        )
    replace_nodes(graph, [*casts, *graph.node])
    return len(casts), left
