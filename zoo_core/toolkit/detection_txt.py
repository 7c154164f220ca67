"""Detections as text, one file per image: lines `label score x1 y1 x2 y2`, none of them if empty.

The vendor tools and the evaluation scripts around them read this form. Labels may hold blanks, so
a line is read from its right end. Boxes are in pixels of the image as read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.errors import DataError
from zoo_core.system.files import read_text
from zoo_core.system.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NUMBERS = 5


@dataclass(frozen=True, slots=True)
class TextDetection:
    """One line: the box is x1, y1, x2, y2 in pixels of the image as read."""

    label: str
    score: float
    box: tuple[float, float, float, float]


def one_line(label: str) -> str:
    """The label with single blanks where it has others, and escaped control characters."""
    return printable(" ".join(label.split()))


def to_line(label: str, score: float, box: Iterable[float]) -> str:
    """The line of plain floats, without its end; `label` is `one_line` of one."""
    x1, y1, x2, y2 = box
    return f"{label} {score!r} {x1!r} {y1!r} {x2!r} {y2!r}"


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write one image's file; it is empty where there is no detection."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def read_detections(path: Path) -> list[TextDetection]:
    """Read one image's file; blank lines are skipped.

    Raises `DataError` naming file and line for a line that has no label or not five numbers at
    its end, and for a file that cannot be read as text.
    """
    lines = enumerate(read_text(path).split("\n"), start=1)
    return [_parse(line, f"{path}:{number}") for number, line in lines if line.strip()]


def _parse(line: str, where: str) -> TextDetection:
    parts = line.strip().rsplit(maxsplit=_NUMBERS)
    try:
        score, x1, y1, x2, y2 = (float(part) for part in parts[1:])
    except ValueError:
        raise _error(line, where) from None
    if not all(math.isfinite(value) for value in (score, x1, y1, x2, y2)):
        raise _error(line, where)
    return TextDetection(parts[0], score, (x1, y1, x2, y2))


def _error(line: str, where: str) -> DataError:
    return DataError(f"'{line.strip()[:60]}' is not a line `label score x1 y1 x2 y2`", where=where)
