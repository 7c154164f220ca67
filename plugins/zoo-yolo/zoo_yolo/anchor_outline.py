"""What a file's outputs tell of a YOLO with anchors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_yolo.outlines import PROTOCOL, listed, names_of, recognition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import FileOutline, Recognition

_PER_CELL = 3

_SMALL = ((10, 13), (16, 30), (33, 23))
_ANCHORS: Mapping[tuple[int, ...], tuple[str, tuple[tuple[tuple[int, int], ...], ...]]] = {
    (8, 16, 32): (
        "YOLOv3 and v5",
        (_SMALL, ((30, 61), (62, 45), (59, 119)), ((116, 90), (156, 198), (373, 326))),
    ),
    (16, 32): (
        "YOLOv3-tiny",
        (((10, 14), (23, 27), (37, 58)), ((81, 82), (135, 169), (344, 319))),
    ),
    (8, 16, 32, 64): (
        "YOLOv5 for 1280 x 1280",
        (
            ((19, 27), (44, 40), (38, 94)),
            ((96, 68), (86, 152), (180, 137)),
            ((140, 301), (303, 264), (238, 542)),
            ((436, 615), (739, 380), (925, 792)),
        ),
    ),
}
"""Strides -> whose anchors these are, and the anchors; used where a file tells none."""

_PROTOCOL = {**PROTOCOL, "nms": 0.65, "clip": True}
"""That of ultralytics/yolov5, val.py."""


def recognised(outline: FileOutline, *, squares: bool) -> Recognition | None:
    """As rows or raw heads of three anchors in each cell; rows are told for `squares` only.

    Heads do not say how their boxes grow: those who decode them in either way both say so.
    """
    shapes = [spec.shape[1:] for spec in outline.outputs]
    if not all(type(side) is int for shape in shapes for side in shape):
        return None
    heads = _heads(shapes, outline.size)
    others = [shape for shape in shapes if shape not in heads.values()]
    if len(others) == 1 and squares:
        return _as_rows(others[0], heads, outline)
    return _as_heads(heads, outline, squares) if heads and not others else None


def _as_rows(
    shape: tuple[Any, ...], heads: Mapping[int, tuple[Any, ...]], outline: FileOutline
) -> Recognition | None:
    for strides in _ANCHORS:
        height, width = outline.size
        count = _PER_CELL * sum((height // s) * (width // s) for s in strides)
        if len(shape) != 2 or shape[0] != count or shape[1] < 6 or set(heads) - set(strides):
            continue
        classes = shape[1] - 5
        if names_of(outline) in (None, classes):
            return recognition(
                outline,
                f"an output 1x{count}x{shape[1]}: decoded boxes, object and {classes} classes for "
                f"{_PER_CELL} anchors in each cell of the strides {listed(strides)}",
                {"strides": list(strides)},
                classes,
                _PROTOCOL,
            )
    return None


def _as_heads(
    heads: Mapping[int, tuple[Any, ...]], outline: FileOutline, squares: bool
) -> Recognition | None:
    strides = tuple(sorted(heads))
    depths = {_depth(shape) for shape in heads.values()}
    if strides not in _ANCHORS or len(heads) != len(outline.outputs) or len(depths) != 1:
        return None
    classes = depths.pop() - 5
    if names_of(outline) not in (None, classes):
        return None
    whose, anchors = _ANCHORS[strides]
    how = "(2 sigmoid)^2, as YOLOv5 and later" if squares else "exp, as Darknet's YOLOv3"
    return recognition(
        outline,
        f"a raw head for each of the strides {listed(strides)}, {classes} classes for {_PER_CELL} "
        f"anchors. Assumed, since no file tells it: sides grow by {how}; anchors of {whose} (a "
        "card states others as decoder_params: anchors)",
        {"strides": list(strides), "anchors": [[list(pair) for pair in head] for head in anchors]},
        classes,
        _PROTOCOL,
    )


def _heads(shapes: Sequence[tuple[Any, ...]], size: tuple[int, int]) -> dict[int, tuple[Any, ...]]:
    """Stride -> the shape of its head."""
    found = {}
    for shape in shapes:
        for stride in {stride for strides in _ANCHORS for stride in strides}:
            grid = (size[0] // stride, size[1] // stride)
            flat = len(shape) == 3 and shape[1:] == grid and shape[0] % _PER_CELL == 0
            deep = len(shape) == 4 and shape[0] == _PER_CELL and shape[1:3] == grid
            if (flat or deep) and _depth(shape) > 5:
                found[stride] = shape
    return found


def _depth(shape: tuple[Any, ...]) -> int:
    return int(shape[0]) // _PER_CELL if len(shape) == 3 else int(shape[3])
