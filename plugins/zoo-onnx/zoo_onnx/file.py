"""Reading an ONNX file and the files beside it that hold its values."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto
from onnx.external_data_helper import load_external_data_for_model

from zoo_core.errors import DataError, first_line
from zoo_core.toolkit import onnx_file
from zoo_core.toolkit.files import kind_of, read_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from onnx import GraphProto, ModelProto, NodeProto

_STANDARD = ("", "ai.onnx")
_BESIDE = "put it beside the .onnx file that --weights names, or among the card's files"


def load(path: Path) -> ModelProto:
    """The model in a file, with the values that it keeps in other files.

    Raises `DataError` for what is not an ONNX file, and as `parts` does.
    """
    model = _read(path, onnx_file.load)
    if _parts(model, path):
        load_external_data_for_model(model, str(path.parent))
    return model


def outline(path: Path) -> ModelProto:
    """The model in a file without the values of its initialisers, which takes moments.

    Raises `DataError` for what is not an ONNX file.
    """
    return _read(path, onnx_file.outline)


def parts(path: Path) -> dict[str, Path]:
    """The other files that hold values of the model in a file, by their name relative to it.

    Raises `DataError` for a name that leads out of the file's folder, and for a file that is
    missing or shorter than the model says.
    """
    return _parts(outline(path), path)


def check(path: Path, where: str) -> None:
    """Raise `DataError` where onnx.checker, with strict shape inference, refuses a model."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise DataError(f"is not valid ONNX: {first_line(error)}", where=where) from error


def _read(path: Path, read: Callable[[Path], ModelProto]) -> ModelProto:
    kind = kind_of(read_head(path))
    if kind:
        raise DataError(f"is {kind}, not an ONNX file", where=path.name, next="bring the file")
    try:
        model = read(path)
    except DataError as error:
        raise DataError(error.what, where=path.name, next=error.next or "bring it again") from error
    opset = max((row.version for row in model.opset_import if row.domain in _STANDARD), default=0)
    if opset > onnx.defs.onnx_opset_version():
        what = f"is of opset {opset}, onnx {onnx.__version__} knows up to"
        step = "export it with an earlier opset, or update onnx and onnxruntime"
        raise DataError(f"{what} {onnx.defs.onnx_opset_version()}", where=path.name, next=step)
    if not model.graph.node:
        raise DataError("is not an ONNX file, or an empty one", where=path.name)
    if any(isinstance(name, bytes) for name in _names(model)):
        step = "export it with names in UTF-8"
        raise DataError("holds names that are not UTF-8", where=path.name, next=step)
    return model


def _names(model: ModelProto) -> Iterator[str | bytes]:
    """What the model calls its parts; protobuf gives the bytes of a text that is not UTF-8."""
    graph = model.graph
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
    for value in (*graph.input, *graph.output):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for tensor in _tensors(model):
        yield tensor.name
        yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))
    yield from (row.domain for row in model.opset_import)
    yield from (model.producer_name, model.producer_version)


def _parts(model: ModelProto, path: Path) -> dict[str, Path]:
    needed: dict[str, int] = {}
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            stated = {entry.key: entry.value for entry in tensor.external_data}
            name = stated.get("location", "")
            needed[name] = max(needed.get(name, 0), _end(tensor, stated, path.name))
    found = {name: _beside(path, name) for name in sorted(needed)}
    for name, each in found.items():
        size = each.stat().st_size
        if size < needed[name]:
            what = f"its file '{name}' has {size:,} bytes, the model needs {needed[name]:,}"
            raise DataError(what, where=path.name, next="bring the whole file")
    return found


def _end(tensor: TensorProto, stated: Mapping[str, str], where: str) -> int:
    """How many bytes a file must have to hold a tensor."""
    try:
        offset, length = int(stated.get("offset", "0")), int(stated.get("length", "-1"))
        width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (ValueError, KeyError) as error:
        what = f"says no sensible place of the values of '{tensor.name}'"
        raise DataError(what, where=where, next="export it again") from error
    return max(offset, 0) + (length if length >= 0 else math.prod(tensor.dims) * width)


def _beside(path: Path, name: str) -> Path:
    """The file of this name in the model's folder, or in that of the file a link leads to."""
    steps = re.split(r"[\\/]", name)
    if (
        not name
        or not steps[0]
        or ".." in steps
        or (path.parent / name).is_absolute() != (path.parent.is_absolute())
    ):
        what = f"keeps values in '{name}', which leads out of its folder"
        raise DataError(what, where=path.name, next="bring files from a source that you trust")
    beside = path.parent / name
    try:
        target, is_file = beside.resolve(), beside.is_file()
    except (OSError, ValueError):
        target, is_file = beside, False
    if not is_file:
        what = f"keeps values in '{name}', which is not there"
        raise DataError(what, where=path.name, next=_BESIDE)
    if not any(target.is_relative_to(p) for p in (path.parent.resolve(), path.resolve().parent)):
        what = f"keeps values in '{name}', a link that leads out of its folder"
        raise DataError(what, where=path.name, next="put the file itself there")
    return beside


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _of_graph(inner)
