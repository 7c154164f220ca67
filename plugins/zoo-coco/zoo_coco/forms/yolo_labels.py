"""One label file of YOLO: a line for each object, `class x y width height`.

x and y are the box's centre; all four are fractions of the image's sides, as it is shown. A line of
`class x1 y1 x2 y2 x3 y3 ...` is a polygon, of which the enclosing box counts; where objects are at
an angle, a line has four corners, `class x1 y1 x2 y2 x3 y3 x4 y4`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo_coco.forms.labelled import Box
from zoo_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SLACK = 0.01
"""What rounding, or a polygon that leaves the image, may exceed 0 or 1 by."""

_MEND = "correct that line"

_OBB = 9
"""Values of a line with four corners."""


def read_labels(
    text: str, size: tuple[int, int], names: Mapping[int, str], where: str, points: int = 0
) -> tuple[Box, ...]:
    """The boxes of an image of (height, width) `size`, in pixels.

    `points` is the number of values that follow a box, as in sets with key points. A line that
    stands twice counts once, as in Ultralytics' reader. Raises `DataError` with file and line.
    """
    boxes: dict[Box, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words:
            place = f"{where}:{number}"
            x, y, width, height = _fractions(_numbers(words, place), points, place)
            _check(x, y, width, height, place)
            rows, columns = size
            box = (
                (x - width / 2) * columns,
                (y - height / 2) * rows,
                width * columns,
                height * rows,
            )
            boxes[Box(_label(words[0], names, place), box)] = None
    return tuple(boxes)


def read_oriented(
    text: str, size: tuple[int, int], names: Mapping[int, str], where: str
) -> tuple[Box, ...]:
    """The objects of four corners each, in pixels; else as `read_labels`."""
    boxes: dict[Box, None] = {}
    rows, columns = size
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words:
            place = f"{where}:{number}"
            numbers = _numbers(words, place)
            if len(numbers) != _OBB:
                what = f"has {len(numbers)} values, where {_OBB} are needed"
                step = "write `class x1 y1 x2 y2 x3 y3 x4 y4`, the corners of the box at its angle"
                raise DataError(what, where=place, next=step)
            _check(*_fractions(numbers, 0, place), place)
            corners = zip(numbers[1::2], numbers[2::2], strict=True)
            polygon = [value for x, y in corners for value in (x * columns, y * rows)]
            boxes[Box.around(_label(words[0], names, place), polygon)] = None
    return tuple(boxes)


def _numbers(words: Sequence[str], where: str) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        what = f"is not a line of numbers: {' '.join(words)[:40]!r}"
        raise DataError(what, where=where, next="write `class x y width height`") from error
    if not all(map(math.isfinite, numbers)):
        raise DataError("has a value that is not finite", where=where, next=_MEND)
    return numbers


def _fractions(
    numbers: Sequence[float], points: int, where: str
) -> tuple[float, float, float, float]:
    count = len(numbers)
    if count == 5 + points:
        x, y, width, height = numbers[1:5]
        return x, y, width, height
    if points or count < 7 or not count % 2:
        what = f"has {count} values, where {5 + points} are needed"
        step = "write `class x y width height`, or a polygon `class x1 y1 x2 y2 x3 y3 ...`"
        if count == 6:
            step = "a sixth value is the score of a prediction; give the ground truth's labels"
        raise DataError(what, where=where, next=step)
    left, right = min(numbers[1::2]), max(numbers[1::2])
    top, bottom = min(numbers[2::2]), max(numbers[2::2])
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _check(x: float, y: float, width: float, height: float, where: str) -> None:
    for name, value in (("x", x), ("y", y), ("width", width), ("height", height)):
        if not -_SLACK <= value <= 1 + _SLACK:
            what = f"{name} is {value:g}, where fractions of the image's sides are needed"
            raise DataError(what, where=where, next="divide pixels by the image's width and height")
    if min(width, height) < 0:
        raise DataError("has a box of negative width or height", where=where, next=_MEND)


def _label(word: str, names: Mapping[int, str], where: str) -> int:
    number = float(word)
    if number not in names:
        known = f"0 to {len(names) - 1}" if 0 in names else ", ".join(map(str, sorted(names)[:9]))
        what = f"has the class {word[:20]}, where {len(names)} classes are named ({known})"
        raise DataError(what, where=where, next="correct the line, or complete the class names")
    return int(number)
