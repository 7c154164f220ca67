"""Text for a terminal, a log or a report: no control characters, no credentials, columns."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import zip_longest
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH = 120
"""Maximum line width of entries, on a terminal and in a pipe."""

_CONTROL = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
_USER = re.compile(r"""(\w[\w+.-]*://)[^/\s"'<>?#@]*(?:@[^/\s"'<>?#@]*)*@""")
_SECRET = re.compile(
    r"""([?&;](?:[\w-]*(?:token|secret|password|passwd|signature|credential|apikey|api[_-]key)"""
    r"""|sig|key|auth|pwd)=)[^&;#\s"'<>]+""",
    re.IGNORECASE,
)


def host_of(url: str) -> str:
    """The host and port of an address, without who asks."""
    return urlsplit(url).netloc.rpartition("@")[2]


def shown(text: str) -> str:
    """The text for a person: `printable` and `masked`."""
    return printable(masked(text))


def titled(name: str, model: str) -> str:
    """How a person is told of a model that may have a name of its own."""
    return name if name == model else f"{name} ({model})"


def printable(text: str) -> str:
    r"""The text with control characters, and those that turn its direction, as \x1b or \u202e.

    Ends of lines and tabs stay.
    """
    return _CONTROL.sub(_escaped, text)


def masked(text: str) -> str:
    """The text with user names, passwords and tokens in its addresses replaced by ***."""
    if "://" not in text:
        return text
    return _SECRET.sub(r"\1***", _USER.sub(r"\1***@", text))


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """In the block, what is printed, by native code and child processes too, goes to stderr."""
    results = None
    with suppress(OSError, ValueError, AttributeError):  # no stdout
        sys.stdout.flush()
    with suppress(OSError):
        results = os.dup(1)
        os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if results is not None:
            os.dup2(results, 1)
            os.close(results)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """One line per row under a line of headings; the last column is not padded."""
    table = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in table) for at in range(len(head))]
    widths[-1] = 0
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in table]


def entries(table: Sequence[tuple[Sequence[str], Sequence[str]]], width: int = WIDTH) -> list[str]:
    """Rows of aligned cells with wrapped texts beside them; empty texts are omitted.

    No line is longer than `width` unless one word is.
    """
    heads = columns([""] * len(table[0][0]), [cells for cells, _ in table])[1:] if table else []
    indent = max(map(len, heads), default=0) + 2
    lines: list[str] = []
    for head, (_, texts) in zip(heads, table, strict=True):
        beside = [line for text in texts for line in _wrapped(text, width - indent)]
        rows = zip_longest([head], beside, fillvalue="")
        lines += [f"{first:<{indent}}{text}".rstrip() for first, text in rows]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
