"""ONNX files, read and written constant by constant, so that those are not held twice.

Most of a network's file is its initialisers. Serialising a message makes one string of all of it:
here the rest is serialised without them, and each is written where it belongs. A field is a tag, a
length and its bytes (protobuf.dev, "Encoding"); read back, such fields are located without being
read, and an engine can map the large ones from the file itself.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from google.protobuf.message import DecodeError

from zoo_core.errors import DataError
from zoo_core.system.files import check_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from google.protobuf.message import Message
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

    Fill = Callable[[TensorProto, mmap, "Span"], None]
    Values = Mapping[str, Callable[[], NDArray[Any]]]

M = TypeVar("M", bound="Message")

MATRIX_OPERATORS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators that hold nearly all arithmetic of a network."""

INTEGER_OPERATORS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QGemm"), "QOperator"),
        **dict.fromkeys(("ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul"), "dynamic"),
        **dict.fromkeys(("MatMulIntegerToFloat", "QAttention"), "dynamic"),
        **dict.fromkeys(("MatMulNBits", "MatMulBnb4"), "weights only"),
    }
)
"""Matrix operators on integers, with what a file that has them is called."""

_MOVES = frozenset({"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity"})
_MARKS = 3
_LIMIT = 2_000_000_000
_SMALL = 1024
"""Bytes up to which a constant is not left in its file: engines read small ones with the graph."""

_FLOAT_BYTES = 4
_STANDARD = ("", "ai.onnx")
_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
_LONGEST_VARINT = 10


@dataclass(frozen=True, slots=True)
class Mapped:
    """A model whose large initialisers are external data, in files of a folder."""

    model: bytes
    folder: Path


def load(path: Path) -> ModelProto:
    """The model in a file; raises DataError for what is not an ONNX file or does not fit in one."""
    from onnx.external_data_helper import load_external_data_for_model, uses_external_data

    model = _read(path, _whole)
    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        load_external_data_for_model(model, str(path.parent))
    return model


def mapped(path: Path) -> Mapped:
    """The model in a file, for an engine to map the large initialisers from that file.

    Small ones are in the model, also where the file keeps them in another one: ONNX Runtime infers
    shapes from none that is elsewhere. Raises DataError as `load` does.
    """
    from onnx import TensorProto
    from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

    def refer(tensor: TensorProto, data: mmap, span: Span) -> None:
        rest, values = apart(TensorProto, "raw_data", data, span)
        if sum(end - begin for begin, end in values) <= _SMALL:
            _whole(tensor, data, span)
            if uses_external_data(tensor) and math.prod(tensor.dims) <= _SMALL:
                load_external_data_for_tensor(tensor, str(path.parent))
                tensor.ClearField("external_data")
                tensor.ClearField("data_location")
            return
        tensor.CopyFrom(rest)
        tensor.data_location = TensorProto.EXTERNAL
        begin, end = values[-1]
        for key, value in (("location", path.name), ("offset", begin), ("length", end - begin)):
            tensor.external_data.add(key=key, value=str(value))

    return Mapped(_read(path, refer).SerializeToString(), path.parent)


def outline(path: Path) -> ModelProto:
    """The model in a file without the bytes of its initialisers; raises DataError as `load`."""
    from onnx import TensorProto

    def hollow(tensor: TensorProto, data: mmap, span: Span) -> None:
        tensor.CopyFrom(apart(TensorProto, "raw_data", data, span)[0])

    return _read(path, hollow)


def save(model: ModelProto, path: Path, values: Values = MappingProxyType({})) -> None:
    """Write the model; raises OSError as any writing does.

    `values` makes the float32 values of initialisers that have none in `model`, by name: each is
    called when it is time to write them.
    """
    from onnx import GraphProto, ModelProto, TensorProto

    tensors = model.graph.initializer
    heads = {t.name: _hollow(t) for t in tensors if t.name in values}
    sizes = [_size(t) if t.name in values else t.ByteSize() for t in tensors]
    starts = [start(GraphProto, "initializer", size) for size in sizes]
    rest = without(model.graph, "initializer").SerializeToString()
    with path.open("wb") as stream:
        stream.write(without(model, "graph").SerializeToString())
        whole = len(rest) + sum(map(len, starts)) + sum(sizes)
        stream.write(start(ModelProto, "graph", whole) + rest)
        for tensor, first in zip(tensors, starts, strict=True):
            stream.write(first)
            if tensor.name in values:
                stream.write(heads[tensor.name])
                stream.write(values[tensor.name]().data)
                continue
            raw = tensor.raw_data  # serialising the message would copy them three times
            stream.write(without(tensor, "raw_data").SerializeToString())
            if tensor.HasField("raw_data"):
                stream.write(start(TensorProto, "raw_data", len(raw)))
                stream.write(raw)


def opset(model: ModelProto) -> int:
    """The version of the standard operators that the model is written in."""
    return max((row.version for row in model.opset_import if row.domain in _STANDARD), default=0)


def domains(model: ModelProto) -> list[str]:
    """Operator sets beyond the standard that its nodes use."""
    return sorted({node.domain for node in model.graph.node} - set(_STANDARD))


def facts(model: ModelProto) -> dict[str, Any]:
    """What `graph.json` says of every ONNX file."""
    producer = f"{model.producer_name} {model.producer_version}".strip()
    known = {"opset": opset(model), "ir_version": model.ir_version, "producer": producer or None}
    quantised = quantisation(model)
    return {**known, "quantised": quantised} if quantised else known


def quantisation(model: ModelProto) -> dict[str, Any] | None:
    """How a file is quantised already, by whom, and how many matrix operators; None if it is not.

    `how` is QDQ, QOperator, dynamic or weights only, as most of those operators are.
    """
    weights = quantised_weights(model.graph)
    activations = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    kinds: Counter[str] = Counter()
    for node in model.graph.node:
        if node.op_type in INTEGER_OPERATORS:
            kinds[INTEGER_OPERATORS[node.op_type]] += 1
        elif node.output and node.output[0] in weights:
            kinds["QDQ" if node.input[0] in activations else "weights only"] += 1
    if not kinds:
        return None
    producer = f"{model.producer_name} {model.producer_version}".strip() or "a program without name"
    marks = {row.key for row in model.metadata_props if _is_mark(row.key)}
    by = f"{producer} ({', '.join(sorted(marks)[:_MARKS])})" if marks else producer
    return {"how": kinds.most_common(1)[0][0], "by": by, "nodes": kinds.total()}


def quantised_weights(graph: GraphProto) -> dict[str, str]:
    """First outputs of matrix operators whose weights are dequantised, with what these come from.

    That is the integers' name, or that of float weights which the file quantises on the way.
    """
    made = {node.output[0]: node for node in graph.node if node.output}
    constant = {tensor.name for tensor in graph.initializer}
    found = {}
    for node in graph.node:
        if node.op_type not in MATRIX_OPERATORS or len(node.input) < 2:
            continue
        before = made.get(node.input[1])
        while before is not None and before.op_type in _MOVES:
            before = made.get(before.input[0])
        if before is None or before.op_type != "DequantizeLinear":
            continue
        source = made.get(before.input[0])
        name = source.input[0] if source is not None and source.input else before.input[0]
        if name in constant or (source is not None and source.op_type == "Constant"):
            found[node.output[0]] = before.input[0]
    return found


def _is_mark(key: str) -> bool:
    """Whether a key of the metadata names what quantised the file."""
    return any(word in key.lower() for word in ("quant", "nncf", "quark", "modelopt", "aimet"))


def skeleton(
    model: ModelProto,
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    small: int,
) -> ModelProto:
    """The model for shape inference, which copies it: constants above `small` values are inputs.

    `inputs` and `outputs` stand in place of its own.
    """
    from onnx import helper

    constants = model.graph.initializer
    large = [each for each in constants if math.prod(each.dims) > small]
    declared = [
        helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)) for each in large
    ]
    graph = helper.make_graph(
        list(model.graph.node),
        "shapes",
        [*inputs, *declared],
        outputs,
        [each for each in constants if math.prod(each.dims) <= small],
    )
    imports = list(model.opset_import)
    return helper.make_model(graph, opset_imports=imports, ir_version=max(model.ir_version, 4))


def without(message: M, field: str) -> M:
    """A copy of the message that lacks one field; all others are copied."""
    rest: M = type(message)()
    for descriptor, value in message.ListFields():
        if descriptor.name == field:
            continue
        if hasattr(value, "extend"):
            getattr(rest, descriptor.name).extend(value)
        elif hasattr(value, "CopyFrom"):
            getattr(rest, descriptor.name).CopyFrom(value)
        else:
            setattr(rest, descriptor.name, value)
    return rest


class Span(NamedTuple):
    """Where the bytes of a field's value lie in a file: from `begin` to before `end`."""

    begin: int
    end: int


def apart(kind: type[M], field: str, data: mmap | bytes, whole: Span) -> tuple[M, list[Span]]:
    """The message in a span of the data without one field, and where that field's values lie.

    Raises ValueError where the span holds no message of the kind.
    """
    number = kind.DESCRIPTOR.fields_by_name[field].number
    pieces, spans = [], []
    begin = whole.begin
    for each, value in _fields(data, whole):
        if each == number:
            spans.append(value)
        else:
            pieces.append(data[begin : value.end])
        begin = value.end
    try:
        return kind.FromString(b"".join(pieces)), spans
    except DecodeError as error:
        raise ValueError(str(error)) from error


def start(kind: type[Message], field: str, size: int) -> bytes:
    """Tag and length of a field of such a message that holds `size` bytes."""
    number = kind.DESCRIPTOR.fields_by_name[field].number
    return _varint(number << 3 | 2) + _varint(size)


def _read(path: Path, fill: Fill) -> ModelProto:
    """The model in a file, each of its initialisers made by `fill` from where it lies."""
    from onnx import GraphProto, ModelProto

    try:
        if check_regular(path).st_size > _LIMIT:
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
        raise DataError("is not an ONNX file", where=str(path)) from error
    return model


def _whole(tensor: TensorProto, data: mmap, span: Span) -> None:
    tensor.ParseFromString(data[span.begin : span.end])


def _hollow(tensor: TensorProto) -> bytes:
    """What comes before the values of an initialiser that has none yet."""
    size = _FLOAT_BYTES * math.prod(map(int, tensor.dims))
    return bytes(tensor.SerializeToString()) + start(type(tensor), "raw_data", size)


def _size(tensor: TensorProto) -> int:
    return len(_hollow(tensor)) + _FLOAT_BYTES * math.prod(map(int, tensor.dims))


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _fields(data: mmap | bytes, whole: Span) -> Iterator[tuple[int, Span]]:
    """Number and value of each field in a span, in order."""
    at = whole.begin
    while at < whole.end:
        tag, at = _read_varint(data, at, whole.end)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            _, end = _read_varint(data, at, whole.end)
        elif wire == _LENGTH:
            size, at = _read_varint(data, at, whole.end)
            end = at + size
        elif wire in _FIXED:
            end = at + _FIXED[wire]
        else:
            raise ValueError(f"no field begins at byte {at}")
        if end > whole.end:
            raise ValueError(f"the field at byte {at} goes beyond the end")
        yield number, Span(at, end)
        at = end


def _read_varint(data: mmap | bytes, at: int, end: int) -> tuple[int, int]:
    """The number that begins at a byte, and where it ends."""
    number = 0
    for index, byte in enumerate(data[at : min(at + _LONGEST_VARINT, end)]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    raise ValueError(f"the number at byte {at} has no end")
