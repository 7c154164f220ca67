"""Damages files: a few edits of a good one, as data, so that each case can be made again."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from fuzz.readers import Reader

    Edit = tuple[int, int, int]
    """Kind, place and value of an edit; any three whole numbers from 0 are one."""

MOST = 1 << 30
NUMBERS = (
    *(b"0", b"-1", b"1", b"65536", b"2147483648", b"4294967295", b"9223372036854775808"),
    *(b"1" + b"0" * 30, b"1" * 400, b"-0", b"0.5", b"1e999", b"nan", b"-inf", b"1e-400", b"1e308"),
    *("²".encode(), "٣".encode(), b"1_0", b"0x10", b"1" * 5000),
)
BYTES = (
    *(b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\n", b"\r"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", "\u2028".encode(), b"\x1b[2J", b" " * 300),
    *(b"[" * 3000, b"{", b"}", b"'", b'"', b":", b",", b"=", b"#", b"-", b"*", b"&a", b"\t", b"%"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 65536, 1 << 31, 1 << 63, 10**30, 10**400, -(10**30)),
    *(float("nan"), float("inf"), -float("inf"), 1e308, 5e-324, "", "x", "0", "1", "nan", "\0"),
    *("\u202e", "\x1b[2J", "../..", "/etc", "a" * 5000, "²", "é", "\ud800", [], {}, [[]]),
    *([None], {"": 1}, {"a": {"b": [1]}}, [1] * 300, ["x", 1], {"x": None}, "2020-13-45"),
)
_DIGITS = re.compile(rb"[-+]?[0-9]+(?:\.[0-9]+)?")


def random_edits(random: random.Random) -> list[Edit]:
    """One edit most often, seldom ten."""
    count = min(int(random.expovariate(0.6)) + 1, 10)
    draw = random.randrange
    return [(draw(64), draw(MOST), draw(MOST)) for _ in range(count)]


def damaged(reader: Reader, seed: int, edits: Sequence[Edit]) -> bytes:
    """The seed of this number after the edits; those of JSON act on its values first."""
    data = reader.seeds[seed % len(reader.seeds)]
    if reader.is_json:
        document = json.loads(data)
        for kind, place, value in edits:
            if kind % 4:
                document = _changed(document, kind, place, value)
        data = json.dumps(document).encode()
    for kind, place, value in edits:
        if not reader.is_json or kind % 4 == 0:
            data = _edited(data, reader, kind // 4, place, value)
    return data


def _edited(data: bytes, reader: Reader, kind: int, place: int, value: int) -> bytes:
    at = place % (len(data) + 1)
    end = min(at + 1 + value % 40, len(data))
    action = kind % 8
    if action == 0:
        return data[:at] + bytes([value % 256]) + data[at + 1 :]
    if action == 1:
        tokens = (*reader.tokens, *BYTES)
        return data[:at] + tokens[value % len(tokens)] + data[at:]
    if action == 2:
        return data[:at] + data[end:]
    if action == 3:
        return data[:end] + data[at:end] * (1 + value % 50) + data[end:]
    if action == 4:
        other = reader.seeds[value % len(reader.seeds)]
        return data[:at] + other[value % (len(other) + 1) :]
    if action == 5:
        return data[:at]
    if action == 6:
        found = _DIGITS.search(data, at)
        number = NUMBERS[value % len(NUMBERS)]
        return data[: found.start()] + number + data[found.end() :] if found else data + number
    token = BYTES[value % 5]
    return data[:at] + token + data[at + len(token) :]


def _changed(document: Any, kind: int, place: int, value: int) -> Any:
    """The document with one of its values replaced, removed, renamed, doubled or moved."""
    spots = list(_spots(document))
    if not spots:
        return VALUES[value % len(VALUES)]
    holder, key = spots[place % len(spots)]
    action = kind // 4 % 5
    if action == 1 and isinstance(holder, dict):
        holder[str(VALUES[value % len(VALUES)])[:50]] = holder.pop(key)
    elif action == 2:
        del holder[key]
    elif action == 3:
        other, name = spots[value % len(spots)]
        holder[key] = copy.deepcopy(other[name])
    elif action == 4 and isinstance(holder, list):
        holder.extend(copy.deepcopy(holder[key]) for _ in range(value % 30))
    else:
        holder[key] = copy.deepcopy(VALUES[value % len(VALUES)])
    return document


def _spots(value: Any) -> Any:
    """Each value of a document by what holds it and its key there."""
    if not isinstance(value, dict | list):
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        yield from _spots(inner)
