"""The input that takes the image: which one it is, and in what form it wants pixels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onnx import TensorProto, helper

from zoo_core.api import TensorSpec
from zoo_core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto, ValueInfoProto

BATCH = "batch"
"""The name of a batch dimension that the file leaves unnamed."""

_CHANNELS = (3, 1)
KINDS = frozenset(
    {
        *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16),
        TensorProto.UINT8,
    }
)
"""Types of pixels that are made of float32 ones."""

_RANK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """How a file takes images; sides are (height, width), None where the file leaves one open.

    `kind` is a `TensorProto.DataType`, `channels` 3 or 1 (grey). With `last` the channels are the
    last dimension.
    """

    name: str
    kind: int
    last: bool
    batch: int | str
    channels: int | None
    sides: tuple[int | None, int | None]

    @property
    def is_plain(self) -> bool:
        """Whether it takes float32 [batch, channels, height, width], as zoo feeds it."""
        return self.kind == TensorProto.FLOAT and not self.last

    @property
    def text(self) -> str:
        """What it takes in words."""
        layout = "channels last" if self.last else "channels first"
        return f"{TensorProto.DataType.Name(self.kind).lower()}, {layout}"


def inputs(model: ModelProto) -> list[ValueInfoProto]:
    """What has to be fed: the inputs that no initialiser gives a value."""
    known = {tensor.name for tensor in model.graph.initializer}
    known.update(tensor.values.name for tensor in model.graph.sparse_initializer)
    return [value for value in model.graph.input if value.name not in known]


def find_image(
    model: ModelProto, name: str | None, others: frozenset[str], where: str
) -> ValueInfoProto:
    """The input that takes the image: the one the card names, else the only one it can be.

    `others` are names of inputs that the card gives a value. Raises `DataError` where none or
    several can be it.
    """
    found = inputs(model)
    if name is not None:
        named: list[ValueInfoProto] = [v for v in model.graph.input if v.name == name]
        if named:
            return named[0]
        text = ", ".join(value.name for value in found) or "none"
        step = ""
        if found:
            step = f"write input: {json.dumps(found[0].name)} in the card's exporter_params"
        raise DataError(f"its input is '{text}', the card says '{name}'", where=where, next=step)
    left = [value for value in found if value.name not in others]
    if len(left) > 1:
        left = [value for value in left if len(dims(value)) == _RANK] or left
    if len(left) == 1:
        return left[0]
    text = "; ".join(map(in_words, found)) or "none"
    step = "write input: NAME of the image in the card's exporter_params"
    raise DataError(f"which input takes the image is not clear: {text}", where=where, next=step)


def image_input(value: ValueInfoProto, where: str) -> ImageInput:
    """How it takes images; raises `DataError` for what can be made of no image."""
    kind, shape = value.type.tensor_type.elem_type, dims(value)
    if kind not in KINDS:
        step = "export it with a float32, float16 or uint8 image"
        raise DataError(f"input {in_words(value)}: not a type for pixels", where=where, next=step)
    known = len(shape) == _RANK
    is_first = known and shape[1] in _CHANNELS
    is_last = known and shape[3] in _CHANNELS and not is_first
    is_open = known and isinstance(shape[1], str) and not is_last
    if not (is_first or is_last or is_open):
        raise DataError(
            f"input {in_words(value)}: neither [batch, 3, height, width] nor "
            "[batch, height, width, 3]",
            where=where,
            next="export it for batches of images of three colours, or of grey ones",
        )
    first = 1 if is_last else 2
    sides = [side if isinstance(side, int) else None for side in shape[first : first + 2]]
    channels = shape[3 if is_last else 1]
    return ImageInput(
        name=value.name,
        kind=kind,
        last=is_last,
        batch=shape[0],
        channels=channels if isinstance(channels, int) else None,
        sides=(sides[0], sides[1]),
    )


def in_words(value: ValueInfoProto) -> str:
    """Name, type and shape of a tensor in words."""
    return f"'{value.name}' is {_kind(value)} [{', '.join(map(str, dims(value)))}]"


def dtype_of(value: ValueInfoProto) -> np.dtype[Any]:
    """NumPy's type of a tensor; raises `DataError` for what is none, such as a sequence."""
    step = "export it with tensors alone as inputs and outputs"
    try:
        found = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    except KeyError as error:
        raise DataError(f"'{value.name}' is {_kind(value)}, not a tensor", next=step) from error
    if found.kind == "O":
        raise DataError(f"'{value.name}' is of texts, not of numbers", next=step)
    return found


def _kind(value: ValueInfoProto) -> str:
    """The type of a tensor's elements, or what the value is instead of a tensor."""
    form = value.type.WhichOneof("value") or "of no type"
    kind = value.type.tensor_type.elem_type
    if form != "tensor_type" or not kind:
        return form.replace("_type", "") if form != "tensor_type" else "of no type"
    known = kind in TensorProto.DataType.values()
    return TensorProto.DataType.Name(kind).lower() if known else f"type {kind}"


def spec(value: ValueInfoProto, batch: int | str) -> TensorSpec:
    """A tensor's name, shape and dtype; a first dimension that is dynamic is a dynamic batch."""
    shape = dims(value)
    if shape and isinstance(shape[0], str) and isinstance(batch, str):
        shape = (batch, *shape[1:])
    return TensorSpec(name=value.name, shape=shape, dtype=dtype_of(value).name)


def dims(value: ValueInfoProto) -> tuple[int | str, ...]:
    """The shape; a dimension without a number has its name, or one made of the tensor's."""
    found: list[int | str] = []
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        unnamed = BATCH if axis == 0 else f"{value.name}_{axis}"
        known = dim.HasField("dim_value") and dim.dim_value > 0
        found.append(int(dim.dim_value) if known else dim.dim_param or unnamed)
    return tuple(found)
