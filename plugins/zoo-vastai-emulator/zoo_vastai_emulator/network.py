"""From a checkpoint to the network that the emulated card runs: shapes fixed, weights rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from zoo_vastai_emulator.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from onnx import ModelProto

_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_LARGEST = float(np.finfo(np.float16).max)
_KINDS = {TensorProto.FLOAT: "float32", TensorProto.INT64: "int64", TensorProto.INT32: "int32"}


def folded(checkpoint: Path, shapes: Mapping[str, tuple[int, ...]], work: Path) -> ModelProto:
    """The checkpoint with its inputs' shapes fixed and constants and batch norms folded.

    Raises RefusedError where it cannot be read, or where names or shapes are not its own.
    """
    try:
        model = onnx.load(str(checkpoint))
    except Exception as error:
        raise RefusedError(f"{checkpoint} is not an ONNX file: {error}") from error
    _fix_inputs(model, shapes, str(checkpoint))
    fixed, basic = work / "fixed.onnx", work / "basic.onnx"
    onnx.save(model, str(fixed))
    del model
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(basic)
    session(fixed, options)
    return onnx.load(str(basic))


def session(path: Path, options: Any = None) -> Any:
    """A session of ONNX Runtime on the CPU; raises RefusedError for what it cannot run."""
    if options is None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RefusedError(f"the graph cannot be compiled: {error}") from error


def inputs_of(model: ModelProto) -> list[Any]:
    """The graph's inputs that are not weights."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def kinds_of(model: ModelProto) -> dict[str, str]:
    """NumPy's names of the inputs' types."""
    return {
        value.name: _KINDS.get(value.type.tensor_type.elem_type, "float32")
        for value in inputs_of(model)
    }


def shapes_of(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """The inputs' shapes, which are fixed; the batch is 1 unless the checkpoint had another."""
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in inputs_of(model)
    }


def round_weights(model: ModelProto) -> int:
    """Store weights as float16, in place, computed with in float32; returns how many."""
    needed = {
        name for node in model.graph.node if node.op_type in _WEIGHTED for name in node.input[1:]
    }
    casts = []
    for tensor in model.graph.initializer:
        if tensor.name not in needed or tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        half = np.clip(values, -_LARGEST, _LARGEST).astype(np.float16)
        stored = f"{tensor.name}/fp16"
        casts.append(
            helper.make_node("Cast", [stored], [tensor.name], stored, to=TensorProto.FLOAT)
        )
        tensor.CopyFrom(numpy_helper.from_array(half, stored))
    prepend(model, casts)
    return len(casts)


def prepend(model: ModelProto, nodes: Sequence[Any]) -> None:
    """Put nodes in front of all others."""
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])


def _fix_inputs(model: ModelProto, shapes: Mapping[str, tuple[int, ...]], checkpoint: str) -> None:
    inputs = {value.name: value for value in inputs_of(model)}
    if set(inputs) != set(shapes):
        raise RefusedError(
            f"frontend.shape names {sorted(shapes)}, the inputs of {checkpoint} are"
            f" {sorted(inputs)}"
        )
    for name, value in inputs.items():
        dims = value.type.tensor_type.shape.dim
        own = [dim.dim_value for dim in dims]
        sides = shapes[name]
        if len(own) != len(sides) or any(a not in (0, b) for a, b in zip(own, sides, strict=True)):
            raise RefusedError(f"frontend.shape {name} is {list(sides)}, the graph's is {own}")
        for dim, side in zip(dims, (own[0] or 1, *sides[1:]), strict=True):
            dim.dim_value = side
    for output in model.graph.output:  # a batch that was written down no longer holds
        output.type.tensor_type.ClearField("shape")
