"""Parts of a protocol buffer, for messages too large to be held twice.

Serialising a message makes one string of all of it. Where most of that is a few large fields, the
rest is serialised without them and each is written where it belongs: a field is a tag, a length and
its bytes (protobuf.dev, "Encoding").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
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
