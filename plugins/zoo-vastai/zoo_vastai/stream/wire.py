"""Our end of the pipe to the worker; see `worker.py` for the form of a message."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_HEAD = struct.Struct(">IQ")
_MOST_TEXT, _MOST_PAYLOAD = 1 << 20, 1 << 33


def packed(header: Mapping[str, Any], size: int = 0) -> bytes:
    """The head of a message and its JSON header; `size` bytes of payload must follow."""
    text = json.dumps(header).encode("utf-8")
    return _HEAD.pack(len(text), size) + text


def receive(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next header and payload; None where the other side has gone, even in mid-message.

    Raises `ValueError` for what is no message.
    """
    head = _take(source, _HEAD.size)
    if head is None:
        return None
    text, size = _HEAD.unpack(head)
    if text > _MOST_TEXT or size > _MOST_PAYLOAD:
        raise ValueError(f"{head!r} is not the head of a message")
    header, payload = _take(source, text), _take(source, size)
    if header is None or payload is None:
        return None
    found: dict[str, Any] = json.loads(header)
    return found, payload


def arrays(specs: Sequence[Mapping[str, Any]], payload: bytes) -> list[NDArray[Any]]:
    """The arrays of a result, float16 widened to float32 exactly; each with memory of its own."""
    found = []
    start = 0
    for spec in specs:
        dtype = np.dtype(spec["dtype"])
        count = int(np.prod(spec["shape"], dtype=np.int64))
        flat = np.frombuffer(payload, dtype, count, start)
        found.append(flat.reshape(spec["shape"]).astype(np.float32))
        start += count * dtype.itemsize
    return found


def _take(source: BinaryIO, count: int) -> bytes | None:
    data = source.read(count)
    return data if len(data) == count else None
