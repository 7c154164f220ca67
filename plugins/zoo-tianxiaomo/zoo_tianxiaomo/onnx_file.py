"""An ONNX file written with its large constants straight from memory, never held twice.

Protocol buffers copy every constant into the message, and the whole message once more into one
string. Here the message is serialised without them, and each is put where it belongs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import onnx
from onnx import GraphProto, ModelProto, TensorProto

from zoo_core.toolkit.onnx_file import start, without

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


_FLOAT_BYTES = 4


class Values(Protocol):
    """What gives the values of a constant when it is time to write them."""

    def array(self) -> NDArray[Any]:
        """C-contiguous little-endian float32 of the constant's shape."""


def write(model: ModelProto, values: Mapping[str, Values], path: Path) -> None:
    """Write `model`; its float32 initialisers that `values` names have no values of their own.

    Raises OSError as any writing does.
    """
    if not values:
        onnx.save(model, path)
        return
    graph = GraphProto()
    graph.CopyFrom(model.graph)
    hollow = [tensor for tensor in graph.initializer if tensor.name in values]
    kept = [tensor for tensor in graph.initializer if tensor.name not in values]
    heads = {tensor.name: _head(tensor) for tensor in hollow}
    del graph.initializer[:]
    graph.initializer.extend(kept)
    rest = graph.SerializeToString()
    size = len(rest) + sum(len(heads[tensor.name]) + _bytes(tensor) for tensor in hollow)
    with path.open("wb") as stream:
        stream.write(without(model, "graph").SerializeToString())
        stream.write(start(ModelProto, "graph", size) + rest)
        for name, head in heads.items():
            stream.write(head)
            stream.write(values[name].array().data)


def _head(tensor: TensorProto) -> bytes:
    """What comes before the values of an initialiser in the bytes of a graph."""
    size = _bytes(tensor)
    inner = tensor.SerializeToString() + start(TensorProto, "raw_data", size)
    return start(GraphProto, "initializer", len(inner) + size) + bytes(inner)


def _bytes(tensor: TensorProto) -> int:
    return _FLOAT_BYTES * math.prod(map(int, tensor.dims))
