"""ONNX files, read and written constant by constant, so that those are not held twice.

Most of a network's file is its initialisers. An engine can also map them from the file itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from zoo_core.errors import DataError
from zoo_core.toolkit.onnx_file import Span, apart, start, without

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Fill = Callable[[TensorProto, mmap, Span], None]

_LIMIT = 2_000_000_000
_SMALL = 1024
"""Bytes up to which a constant is not left in its file: engines read small ones with the graph."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A model whose large initialisers are external data, in files of a folder."""

    model: bytes
    folder: Path


def load(path: Path) -> ModelProto:
    """The model in a file; raises DataError for what is no ONNX file or does not fit in one."""
    model = _read(path, _whole)
    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        load_external_data_for_model(model, str(path.parent))
    return model


def mapped(path: Path) -> Mapped:
    """The model in a file, for an engine to map the large initialisers from that file.

    Raises DataError as `load` does.
    """

    def refer(tensor: TensorProto, data: mmap, span: Span) -> None:
        found, values = apart(TensorProto, "raw_data", data, span)
        if sum(end - begin for begin, end in values) <= _SMALL:
            _whole(tensor, data, span)
            return
        tensor.CopyFrom(found)
        tensor.data_location = TensorProto.EXTERNAL
        begin, end = values[-1]
        for key, value in (("location", path.name), ("offset", begin), ("length", end - begin)):
            tensor.external_data.add(key=key, value=str(value))

    return Mapped(_read(path, refer).SerializeToString(), path.parent)


def save(model: ModelProto, path: Path) -> None:
    """Write the model; raises OSError as any writing does."""
    tensors = model.graph.initializer
    rest = without(model.graph, "initializer").SerializeToString()
    heads = [start(GraphProto, "initializer", each.ByteSize()) for each in tensors]
    size = len(rest) + sum(map(len, heads)) + sum(each.ByteSize() for each in tensors)
    with path.open("wb") as stream:
        stream.write(without(model, "graph").SerializeToString())
        stream.write(start(ModelProto, "graph", size) + rest)
        for head, each in zip(heads, tensors, strict=True):
            values = each.raw_data  # serialising the message would copy them three times
            stream.write(head + without(each, "raw_data").SerializeToString())
            if each.HasField("raw_data"):
                stream.write(start(TensorProto, "raw_data", len(values)))
                stream.write(values)


def _read(path: Path, fill: Fill) -> ModelProto:
    """The model in a file, each of its initialisers made by `fill` from where it lies."""
    try:
        if path.stat().st_size > _LIMIT:
            raise DataError("more than 2 GB do not fit in one ONNX file", where=str(path))
        with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
            model, graphs = apart(ModelProto, "graph", data, Span(0, len(data)))
            for each in graphs:
                graph, tensors = apart(GraphProto, "initializer", data, each)
                model.graph.MergeFrom(graph)
                for span in tensors:
                    fill(model.graph.initializer.add(), data, span)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (DecodeError, ValueError) as error:
        raise DataError("is no ONNX file", where=str(path)) from error
    return model


def _whole(tensor: TensorProto, data: mmap, span: Span) -> None:
    tensor.ParseFromString(data[span.begin : span.end])
