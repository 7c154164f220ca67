"""Reading an ONNX file: what goes in, what comes out, and what keeps it from being used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from zoo_core.api import TensorSpec
from zoo_core.errors import DataError
from zoo_core.toolkit.files import kind_of, read_head

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from onnx import ModelProto, ValueInfoProto

BATCH = "batch"
"""The name of a batch dimension that the file leaves unnamed."""


def load(path: Path) -> ModelProto:
    """The model in a file.

    Raises `DataError` for what is not an ONNX file, and for one that keeps its weights elsewhere.
    """
    kind = kind_of(read_head(path))
    if kind:
        raise DataError(f"is {kind}, not an ONNX file", where=path.name, next="bring the file")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except DecodeError as error:
        raise DataError("is not an ONNX file", where=path.name, next="bring it again") from error
    if not model.graph.node:
        raise DataError("is not an ONNX file, or an empty one", where=path.name)
    if any(item.data_location == TensorProto.EXTERNAL for item in model.graph.initializer):
        step = "save it as one: onnx.save(onnx.load(FILE), NEW)"
        raise DataError("keeps its weights in another file", where=path.name, next=step)
    return model


def image_input(model: ModelProto, name: str | None, where: str) -> ValueInfoProto:
    """The one input, by the name that the card states if it does.

    Raises `DataError` for another name, several inputs, and what is not float32 [n, 3, h, w].
    """
    weights = {item.name for item in model.graph.initializer}
    found: list[ValueInfoProto] = [v for v in model.graph.input if v.name not in weights]
    names = ", ".join(value.name for value in found) or "none"
    if len(found) != 1:
        step = "give a file whose only input is the image"
        raise DataError(f"has the inputs {names}", where=where, next=step)
    if name not in (None, found[0].name):
        step = f"write input: {found[0].name} in the card's exporter_params"
        raise DataError(f"its input is '{names}', the card says '{name}'", where=where, next=step)
    _check_image(found[0], where)
    return found[0]


def _check_image(value: ValueInfoProto, where: str) -> None:
    kind = value.type.tensor_type.elem_type
    if kind != TensorProto.FLOAT:
        told = TensorProto.DataType.Name(kind).lower()
        step = "export it with a float32 input"
        raise DataError(f"input '{value.name}' is {told}, not float32", where=where, next=step)
    shape = dims(value)
    if len(shape) == 4 and (shape[1] == 3 or isinstance(shape[1], str)):
        return
    told = "channels last" if len(shape) == 4 and shape[3] == 3 else f"{len(shape)} dimensions"
    raise DataError(
        f"input '{value.name}' is {list(shape)} ({told}), not [batch, 3, height, width]",
        where=where,
        next="export it with the channels first",
    )


def outputs(model: ModelProto, names: Sequence[str], where: str) -> list[ValueInfoProto]:
    """The outputs in the file's order; raises `DataError` where the card states others."""
    found = list(model.graph.output)
    have = [value.name for value in found]
    if names and have != list(names):
        told = f"its outputs are {', '.join(have)}, the card says {', '.join(names)}"
        step = f"write outputs: [{', '.join(have)}] in the card's exporter_params"
        raise DataError(told, where=where, next=step)
    return found


def spec(value: ValueInfoProto, batch: int | str) -> TensorSpec:
    """A tensor's name, shape and dtype; the first dimension is the batch where it is dynamic."""
    tensor = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    shape = dims(value)
    first = (batch if isinstance(shape[0], str) else shape[0],) if shape else ()
    return TensorSpec(name=value.name, shape=(*first, *shape[1:]), dtype=dtype)


def dims(value: ValueInfoProto) -> tuple[int | str, ...]:
    """The shape; a dimension without a number has its name, or one made of the tensor's."""
    found: list[int | str] = []
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        unnamed = BATCH if axis == 0 else f"{value.name}_{axis}"
        known = dim.HasField("dim_value") and dim.dim_value > 0
        found.append(int(dim.dim_value) if known else dim.dim_param or unnamed)
    return tuple(found)
