"""Sizes of a graph: height and width made fixed, the batch as it runs, shapes of the outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx

from zoo_core.api import Graph
from zoo_core.errors import DataError, UnavailableError
from zoo_core.toolkit.onnx_file import skeleton
from zoo_core.toolkit.similarity import seeded_feeds
from zoo_core.toolkit.verify import run_onnx
from zoo_onnx.image import BATCH, dims, spec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import ModelProto, ValueInfoProto

    from zoo_onnx.image import ImageInput

_SMALL = 1024
_TWO = 2


def size_of(image: ImageInput, size: Sequence[int], where: str) -> tuple[int, int]:
    """The (height, width) asked for; raises `DataError` where the file has another one fixed."""
    pairs = zip(image.sides, size, strict=True)
    if any(side not in (None, asked) for side, asked in pairs):
        text = "x".join("?" if side is None else str(side) for side in image.sides)
        fixed = [
            asked if side is None else side for side, asked in zip(image.sides, size, strict=True)
        ]
        raise DataError(
            f"takes images of {text}, asked for {size[0]}x{size[1]}",
            where=where,
            next=f"use --size {fixed[0]},{fixed[1]}, or a file of the wanted size",
        )
    return size[0], size[1]


def freeze(model: ModelProto, value: ValueInfoProto, shape: Sequence[int]) -> None:
    """Give the image its (channels, height, width), and forget what followed from others."""
    for dim, side in zip(value.type.tensor_type.shape.dim[1:], shape, strict=True):
        dim.dim_value = side
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")


def infer(model: ModelProto) -> bool:
    """Write in the shapes of outputs that have none, as far as inference knows them.

    Returns whether there were any.
    """
    graph = model.graph
    if all(value.type.tensor_type.HasField("shape") for value in graph.output):
        return False
    outline = skeleton(model, list(graph.input), list(graph.output), _SMALL)
    try:
        inferred = onnx.shape_inference.infer_shapes(outline, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return True
    for value, known in zip(graph.output, inferred.graph.output, strict=True):
        if known.type.tensor_type.HasField("shape"):
            value.CopyFrom(known)
    return True


@dataclass(frozen=True, slots=True)
class BatchTrial:
    """The batch that a graph runs with, whether it was free in name only, and what else changed."""

    batch: int | str
    in_name_only: bool = False
    changed: bool = False


def try_batch(model: ModelProto, path: Path) -> BatchTrial:
    """Run the graph in the file, `model`, to see which batch it takes and which shapes it gives.

    A free batch is tried with two images; if only one goes through, it becomes 1 in `model`. What
    is not known of the outputs' shapes is written in. Where an operator is missing here the batch
    is taken to be what the file says. Raises `DataError` for a file that does not run.
    """
    (value,) = model.graph.input
    batch = dims(value)[0]
    lacking = [v for v in model.graph.output if not v.type.tensor_type.HasField("shape")]
    if isinstance(batch, int) and not lacking:
        return BatchTrial(batch)
    try:
        made, in_name_only = _tried(model, path, batch)
    except UnavailableError as error:
        if lacking:
            what = f"output '{lacking[0].name}' has no shape: {error.what}"
            step = "state it in the file: run onnx.shape_inference or onnxsim over it"
            raise DataError(what, next=step) from error
        return BatchTrial(batch)
    if in_name_only:
        value.type.tensor_type.shape.dim[0].dim_value = batch = 1
        del model.graph.value_info[:]
    for output, array in zip(model.graph.output, made, strict=True):
        if output in lacking:
            _state(output, array.shape, batch)
        elif in_name_only and array.ndim:
            output.type.tensor_type.shape.dim[0].dim_value = len(array)
    return BatchTrial(batch, in_name_only, bool(lacking) or in_name_only)


def _tried(model: ModelProto, path: Path, batch: int | str) -> tuple[list[NDArray[Any]], bool]:
    """The outputs of two images where the batch is free, else of one batch; True for one image."""
    try:
        made = _outputs(model, path, _TWO)
    except DataError:
        if isinstance(batch, int):
            raise
        try:
            return _outputs(model, path, 1), True
        except DataError:
            pass
        raise
    if isinstance(batch, int) or all(len(array) == _TWO for array in made if array.ndim):
        return made, False
    alone = _outputs(model, path, 1)
    if all(len(array) == 1 for array in alone if array.ndim):
        return alone, True
    return made, False


def _outputs(model: ModelProto, path: Path, batch: int) -> list[NDArray[Any]]:
    """What a batch of so many images gives, where the batch is free."""
    inputs, outputs = (
        tuple(spec(value, BATCH) for value in values)
        for values in (model.graph.input, model.graph.output)
    )
    graph = Graph(format="onnx", path=path.name, inputs=inputs, outputs=outputs, facts={})
    return run_onnx(path, graph, seeded_feeds(inputs, batch))[0]


def _state(output: ValueInfoProto, shape: Sequence[int], batch: int | str) -> None:
    """Write in a shape that a run of two images showed, or of a fixed batch."""
    tensor = output.type.tensor_type.shape
    tensor.SetInParent()
    for axis, size in enumerate(shape):
        if axis == 0 and size == _TWO and isinstance(batch, str):
            tensor.dim.add(dim_param=batch)
        else:
            tensor.dim.add(dim_value=size)
