"""Inputs beside the image: constants, or sizes that follow from the network's own."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from zoo_core.errors import DataError
from zoo_core.toolkit.onnx_file import opset
from zoo_onnx.image import dims, dtype_of, in_words
from zoo_onnx.stated import HEIGHT_WIDTH, WIDTH_HEIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import ModelProto, ValueInfoProto

    from zoo_onnx.image import ImageInput

KNOWN: Mapping[str, Any] = MappingProxyType(
    {"orig_target_sizes": WIDTH_HEIGHT, "im_shape": HEIGHT_WIDTH, "scale_factor": 1}
)
"""Inputs of well-known exports (RT-DETR, PaddleDetection) and what keeps boxes in input pixels."""

_FIRST_EXPAND = 8


@dataclass(frozen=True, slots=True)
class Frame:
    """What is known of the images: (height, width), the sizes of dimensions by name, the batch.

    A batch that the file leaves open is 1 here.
    """

    size: tuple[int, int]
    sides: Mapping[str, int]
    rows: int

    @classmethod
    def of(cls, value: ValueInfoProto, image: ImageInput, size: tuple[int, int]) -> Frame:
        """Of the image's input, as the file has it."""
        first = 1 if image.last else 2
        named = zip(dims(value)[first : first + 2], size, strict=True)
        sides = {name: side for name, side in named if isinstance(name, str)}
        return cls(size, sides, image.batch if isinstance(image.batch, int) else 1)


def value_of(value: ValueInfoProto, stated: Any, frame: Frame, where: str) -> NDArray[Any]:
    """The value that the card states of an input, in the input's type and shape.

    A single number fills the shape; a value for one image stands for each of a batch. Raises
    `DataError` where the value does not fit the shape.
    """
    shape = [frame.sides.get(n, n) if isinstance(n, str) else n for n in dims(value)]
    if is_per_image(value):
        shape[0] = frame.rows
    size = list(frame.size)
    words = {HEIGHT_WIDTH: size, WIDTH_HEIGHT: size[::-1]}
    array = np.array(words.get(stated, stated) if isinstance(stated, str) else stated)
    if array.ndim == 0 and all(isinstance(n, int) for n in shape):
        array = np.full([int(n) for n in shape], array)
    elif array.ndim == len(shape) - 1:
        array = array[np.newaxis]
    if not _fits(array, shape):
        raise DataError(
            f"input {in_words(value)}, which the value {stated!r} does not fill",
            where=where,
            next=f"write inputs: {{{value.name}: VALUE}} in the card's exporter_params",
        )
    if shape and isinstance(shape[0], int) and len(array) != shape[0]:
        array = np.repeat(array, shape[0], axis=0)
    return array.astype(dtype_of(value))


def _fits(array: NDArray[Any], shape: Sequence[int | str]) -> bool:
    """Whether a value has this shape, or a first dimension of 1; open dimensions take any size."""
    return array.ndim == len(shape) and all(
        isinstance(size, str) or have == size or (have == 1 and axis == 0)
        for axis, (size, have) in enumerate(zip(shape, array.shape, strict=True))
    )


def unknown(values: Sequence[ValueInfoProto], where: str) -> DataError:
    """The error of inputs that nothing gives a value."""
    rows = ", ".join(f"{value.name}: VALUE" for value in values)
    return DataError(
        f"has inputs beside the image: {'; '.join(map(in_words, values))}",
        where=where,
        next=f"write inputs: {{{rows}}} in the card's exporter_params; a VALUE is a number, lists "
        f"of numbers, or {HEIGHT_WIDTH} or {WIDTH_HEIGHT} of the network's input",
    )


def fill(model: ModelProto, name: str, array: NDArray[Any], image: str | None) -> None:
    """Give an input its value for good, in place.

    With `image`, the input that takes the images, the value is that of one of them, and is
    repeated for each image of a batch.
    """
    graph = model.graph
    kept = [value for value in graph.input if value.name != name]
    del graph.input[:]
    graph.input.extend(kept)
    if image is None or opset(model) < _FIRST_EXPAND:
        graph.initializer.append(numpy_helper.from_array(array, name))
        return
    row, count, first, shape = (f"{name}/{part}" for part in ("one", "count", "shape", "repeated"))
    rest = f"{name}/rest"
    graph.initializer.extend(
        [
            numpy_helper.from_array(array, row),
            numpy_helper.from_array(np.array([0], np.int64), f"{name}/first"),
            numpy_helper.from_array(np.array(array.shape[1:], np.int64), rest),
        ]
    )
    nodes = [
        helper.make_node("Shape", [image], [first], name=first),
        helper.make_node("Gather", [first, f"{name}/first"], [count], name=count),
        helper.make_node("Concat", [count, rest], [shape], name=shape, axis=0),
        helper.make_node("Expand", [row, shape], [name], name=f"{name}/expand"),
    ]
    before(graph, nodes)


def before(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Put nodes before all others."""
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def is_per_image(value: ValueInfoProto) -> bool:
    """Whether an input has a row for each image."""
    shape = dims(value)
    return bool(shape) and isinstance(shape[0], str)
