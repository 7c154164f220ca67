"""Parts of a protocol buffer, for messages too large to be held twice.

Serialising a message makes one string of all of it. Where most of that is a few large fields, the
rest is serialised without them and each is written where it belongs: a field is a tag, a length and
its bytes (protobuf.dev, "Encoding"). Read back, such fields are found without being read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")


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
    pieces, found = [], []
    begin = whole.begin
    for each, value in _fields(data, whole):
        if each == number:
            found.append(value)
        else:
            pieces.append(data[begin : value.end])
        begin = value.end
    try:
        return kind.FromString(b"".join(pieces)), found
    except DecodeError as error:
        raise ValueError(str(error)) from error


def start(kind: type[Message], field: str, size: int) -> bytes:
    """Tag and length of a field of such a message that holds `size` bytes."""
    number = kind.DESCRIPTOR.fields_by_name[field].number
    return _varint(number << 3 | 2) + _varint(size)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
_LONGEST_VARINT = 10


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
