"""Plain text in aligned columns and indented entries, with no heavy import."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


WIDTH = 120
"""Maximum line width of entries, on a terminal and in a pipe."""


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
