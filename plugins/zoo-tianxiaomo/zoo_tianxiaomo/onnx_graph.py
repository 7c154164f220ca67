"""An ONNX file made a graph of zoo: its tensors named, its shapes inferred, its opset checked."""

from __future__ import annotations

import math
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, ValueInfoProto, checker, helper, shape_inference

from zoo_core.api import Graph
from zoo_core.errors import StageError
from zoo_core.toolkit.artefact import write_graph
from zoo_core.toolkit.onnx_file import facts, save, skeleton

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.api import TensorSpec
    from zoo_core.toolkit.onnx_file import Values
    from zoo_tianxiaomo.layout import Layout

MODEL_FILE = "model.onnx"

SMALL = 256
"""Constants of at most so many values are kept where shapes are inferred: they may be shapes."""


def read(content: bytes) -> ModelProto:
    """The model in the bytes of an ONNX file; raises StageError for one that is not whole."""
    try:
        model = onnx.load_from_string(content)
    except (DecodeError, ValueError) as error:
        raise StageError(f"the ONNX file is not whole: {error}") from None
    if any(value.data_location == TensorProto.EXTERNAL for value in model.graph.initializer):
        raise StageError("the ONNX file keeps its weights outside")
    return model


def finish(
    model: ModelProto,
    folder: Path,
    layout: Layout,
    opset: int,
    own: Mapping[str, Any],
    values: Values = MappingProxyType({}),
) -> Graph:
    """Write `model.onnx` and `graph.json` with its `own` facts; `values` are those `model` lacks.

    Outputs are taken in their order and get the layout's names and shapes, whatever they were.
    Raises StageError for a model that is not valid, of another opset or other shapes.
    """
    _check_opset(model, opset)
    _rename(model, layout)
    _infer(model, layout)
    save(model, folder / MODEL_FILE, values)
    graph = Graph(
        format="onnx",
        path=MODEL_FILE,
        inputs=(layout.input,),
        outputs=layout.outputs,
        form=layout.form,
        facts={**_facts(model), **own},
    )
    return write_graph(folder, graph)


def _check_opset(model: ModelProto, opset: int) -> None:
    found = {entry.domain: entry.version for entry in model.opset_import}
    if found.get("") != opset or len(found) != 1:
        what = f"the ONNX file has opset {found}, asked for {opset}"
        raise StageError(what, next=f"choose another opset than {opset} in the card")


def _rename(model: ModelProto, layout: Layout) -> None:
    inputs, outputs = model.graph.input, model.graph.output
    counts = (len(inputs), len(outputs))
    if counts != (1, len(layout.outputs)):
        what = f"the ONNX file has {counts[0]} inputs and {counts[1]} outputs"
        raise StageError(f"{what}, expected 1 and {len(layout.outputs)}")
    names = {inputs[0].name: layout.input.name}
    names |= {value.name: spec.name for value, spec in zip(outputs, layout.outputs, strict=True)}
    for node in model.graph.node:
        for row in (node.input, node.output):
            for index, name in enumerate(row):
                row[index] = names.get(name, name)
    for value, spec in zip([*inputs, *outputs], (layout.input, *layout.outputs), strict=True):
        value.CopyFrom(helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, spec.shape))


def _check_shape(value: ValueInfoProto, spec: TensorSpec) -> None:
    """What was inferred must be what the specification says, as far as it is known."""
    stated = value.type.tensor_type
    dims = stated.shape.dim
    agree = stated.elem_type == TensorProto.FLOAT and len(dims) in (0, len(spec.shape))
    for dim, wanted in zip(dims, spec.shape, strict=False):
        agree = agree and (not dim.HasField("dim_value") or dim.dim_value == wanted)
    if not agree:
        found = [dim.dim_value or dim.dim_param or "?" for dim in dims]
        raise StageError(f"output '{value.name}' has shape {found}, expected {list(spec.shape)}")


def _infer(model: ModelProto, layout: Layout) -> None:
    """Check the graph and add the shapes of its inner tensors, on a copy without the weights."""
    # Outputs are declared with open shapes, so that those they really have are what is inferred.
    free = [
        helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, [""] * len(spec.shape))
        for spec in layout.outputs
    ]
    bare = skeleton(model, model.graph.input, free, SMALL)
    try:
        checker.check_model(bare)
        inferred = shape_inference.infer_shapes(bare, check_type=True, strict_mode=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        first = str(error).strip().splitlines()[0]
        raise StageError(f"the ONNX file is not valid: {first}") from None
    for value, spec in zip(inferred.graph.output, layout.outputs, strict=True):
        _check_shape(value, spec)
    del model.graph.value_info[:]
    model.graph.value_info.extend(inferred.graph.value_info)


def _facts(model: ModelProto) -> dict[str, Any]:
    kinds = Counter(node.op_type for node in model.graph.node)
    return {
        **facts(model),
        "nodes": len(model.graph.node),
        "operators": dict(sorted(kinds.items())),
        "constants": sum(math.prod(value.dims) for value in model.graph.initializer),
    }
