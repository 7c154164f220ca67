"""Polygons, run lengths and key points of annotation files: checked, and turned as EXIF does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from zoo_core.errors import DataError
from zoo_core.toolkit.detection.masks import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Size = tuple[int, int]
    Row = Mapping[str, Any]

_FAR = 2
"""Sides of the image by which a polygon may lie outside: what is drawn grows with it."""

_LEAST, _OBB = 6, 5


def mask_of(row: Row, size: Size, where: str) -> list[list[float]] | dict[str, Any]:
    """The `segmentation` of an annotation: polygons, or run lengths as {size, counts}.

    Raises `DataError` where there is none, or one that does not fit an image of `size`.
    """
    shape, what = row.get("segmentation"), f"segmentation of annotation {row.get('id')!r}"
    if isinstance(shape, dict):
        return {"size": list(size), "counts": _checked_runs(shape, size, what, where)}
    if not isinstance(shape, list) or not shape:
        step = "give annotations with polygons or run lengths, or use the evaluator coco-detection"
        raise DataError(f"{what} is missing", where=where, next=step)
    limit = _FAR * max(size) + max(size)
    for polygon in shape:
        numbers = polygon if isinstance(polygon, list) else []
        good = len(numbers) >= _LEAST and len(numbers) % 2 == 0
        if not good or not all(_is_within(value, limit) for value in numbers):
            told = f"{len(numbers)} values" if isinstance(polygon, list) else repr(polygon)[:40]
            raise DataError(
                f"{what} has a polygon of {told}, not of x and y of three points or more within "
                "reach of the image",
                where=where,
                next="correct that entry of the annotation file",
            )
    return [[float(value) for value in polygon] for polygon in shape]


def keypoints_of(row: Row, count: int, where: str) -> list[float]:
    """The `keypoints` of an annotation: x, y and visibility (0, 1, 2) of each of `count` points.

    An annotation without any has none that counts. Raises `DataError` for another number of values.
    """
    values = row.get("keypoints") or [0.0] * (3 * count)
    good = isinstance(values, list) and len(values) == 3 * count
    if not good or not all(_is_within(value, 1e9) for value in values):
        told = f"{len(values)} values" if isinstance(values, list) else repr(values)[:40]
        told = f"{told} that are not all numbers" if good else told
        raise DataError(
            f"keypoints of annotation {row.get('id')!r} are {told}, not x, y and visibility of "
            f"{count} points",
            where=where,
            next="check that the annotations are of the model's key points",
        )
    return [float(value) for value in values]


def oriented_of(row: Row, where: str) -> list[float]:
    """The oriented box of an annotation: x, y, width, height, angle as in `OrientedCandidates`.

    It is the key `obb`, or the rectangle around the first polygon of `segmentation`. Raises
    `DataError` where there is neither.
    """
    values, shape = row.get("obb"), row.get("segmentation")
    if _is_plain(values) and len(values) == _OBB and min(values[2:4]) >= 0:
        return [float(value) for value in values]
    polygon = shape[0] if isinstance(shape, list) and shape else None
    if not values and _is_plain(polygon) and len(polygon) >= _LEAST and len(polygon) % 2 == 0:
        import cv2

        (x, y), (width, height), degrees = cv2.minAreaRect(
            np.asarray(polygon, np.float32).reshape(-1, 2)
        )
        return [x, y, width, height, float(np.radians(degrees))]
    raise DataError(
        f"annotation {row.get('id')!r} has no oriented box: neither obb (x, y, width, height, "
        "radians) nor a polygon",
        where=where,
        next="give annotations with oriented boxes, or use the evaluator coco-detection",
    )


def turn_shapes(row: dict[str, Any], size: Sequence[int], steps: Sequence[str]) -> None:
    """Bring the mask and the key points of an annotation into another frame, in place.

    `size` is (height, width) after the steps, which are those of `Fitted.changes`. Shapes that
    cannot be read stay as they are; the evaluator refuses them.
    """
    shape, points, oriented = (row.get(key) for key in ("segmentation", "keypoints", "obb"))
    after = (int(size[0]), int(size[1]))
    before = after[::-1] if "transpose" in steps else after
    if isinstance(shape, dict) and steps:
        mask = decode(np.array(_checked_runs(shape, before, "segmentation", "")), before)
        mask = mask.T if "transpose" in steps else mask
        mask = mask[:, ::-1] if "flip x" in steps else mask
        mask = mask[::-1] if "flip y" in steps else mask
        row["segmentation"] = {"size": list(after), "counts": encode(mask, after).tolist()}
    elif isinstance(shape, list) and all(map(_is_plain, shape)):
        row["segmentation"] = [
            _flat(_moved(zip(polygon[::2], polygon[1::2], strict=False), after, steps, 0))
            for polygon in shape
        ]
    if _is_plain(oriented) and len(oriented) == _OBB:
        x, y, width, height, angle = oriented
        for step in steps:
            angle = {"transpose": np.pi / 2, "flip x": np.pi, "flip y": 0.0}[step] - angle
        [(x, y)] = _moved([(x, y)], after, steps, 0)
        row["obb"] = [x, y, width, height, angle]
    if _is_plain(points):
        pairs = _moved(zip(points[::3], points[1::3], strict=False), after, steps, 1)
        rows = zip(pairs, points[2::3], strict=False)
        row["keypoints"] = _flat((x, y, seen) if seen else (0, 0, 0) for (x, y), seen in rows)


def _moved(
    points: Iterable[tuple[float, float]], size: Size, steps: Sequence[str], pixel: int
) -> list[tuple[float, float]]:
    """Points after the steps; with `pixel` 1 they are numbers of pixels, with 0 places."""
    moved = []
    for point in points:
        x, y = point
        for step in steps:
            if step == "transpose":
                x, y = y, x
            elif step == "flip x":
                x = size[1] - pixel - x
            else:
                y = size[0] - pixel - y
        moved.append((x, y))
    return moved


def _flat(points: Iterable[tuple[float, ...]]) -> list[float]:
    return [value for point in points for value in point]


def _checked_runs(shape: Mapping[str, Any], size: Size, what: str, where: str) -> list[int]:
    runs = shape.get("counts")
    try:
        counts = run_lengths(runs) if isinstance(runs, str) else list(runs or ())
    except (IndexError, ValueError, TypeError):
        counts = []
    whole = all(type(count) is int and count >= 0 for count in counts)
    if shape.get("size") != list(size) or not whole or sum(counts) != size[0] * size[1]:
        raise DataError(
            f"{what} has run lengths of size {shape.get('size')} over "
            f"{sum(counts) if whole else '?'} pixels, but the image is {size[0]} high and "
            f"{size[1]} wide",
            where=where,
            next="check that the annotations are of these images",
        )
    return counts


def run_lengths(text: str) -> list[int]:
    """The run lengths in COCO's compressed form (pycocotools, maskApi.c, rleFrString).

    Six bits a character, five of them of the number, the least first; from the third number on they
    are differences to the last but one. Raises `ValueError` or `IndexError` for another text.
    """
    counts: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[place]) - 48
            if not 0 <= bits < 64 or shift > 60:
                raise ValueError(text[place])
            value |= (bits & 31) << shift
            more, place, shift = bool(bits & 32), place + 1, shift + 5
            if not more and bits & 16:
                value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts


def _is_plain(values: object) -> TypeGuard[list[float]]:
    return isinstance(values, list) and all(_is_within(value, 1e9) for value in values)


def _is_within(value: object, limit: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -limit <= value <= limit  # type: ignore[operator]
