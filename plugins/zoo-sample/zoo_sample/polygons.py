"""Polygons and thick lines that OpenCV 4 and 5 would draw with different edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_sample.draws import Colour


def fill_polygon(
    image: NDArray[np.uint8], points: Sequence[Sequence[int]], colour: tuple[int, ...]
) -> None:
    """Fill a closed polygon (x, y; even-odd rule; outline included) in uint8 [H, W, C].

    Points may lie outside the image.
    """
    corners = np.array(points, np.int32)
    height, width = image.shape[:2]
    left, top = np.clip(corners.min(0), 0, [width, height]).tolist()
    right, bottom = np.clip(corners.max(0) + 1, 0, [width, height]).tolist()
    if left < right and top < bottom:
        inside = _inside(corners - [left, top], bottom - top, right - left)
        image[top:bottom, left:right][inside] = colour
    cv2.polylines(image, [corners], True, colour)


def _inside(corners: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """Say which of [height, width] pixels have an odd number of edges to their left."""
    ends = np.roll(corners, -1, 0)
    upward = (corners[:, 1] > ends[:, 1])[:, None]
    x1, y1 = np.where(upward, ends, corners).T[..., None]
    x2, y2 = np.where(upward, corners, ends).T[..., None]
    rows = np.arange(height)
    crossed = (rows >= y1) & (rows < y2)
    at = x1 - (rows - y1) * (x1 - x2) // np.maximum(y2 - y1, 1)
    turns = np.zeros((height, width + 1), np.uint8)
    edge, row = crossed.nonzero()
    np.add.at(turns, (row, at[edge, row].clip(0, width)), 1)
    return (np.cumsum(turns[:, :width], 1, dtype=np.uint8) & 1).astype(bool)


def draw_line(
    image: NDArray[np.uint8], ends: tuple[tuple[int, int], tuple[int, int]], ink: Colour, width: int
) -> NDArray[np.bool_]:
    """Draw a line with round ends that may leave the image; return its pixels as bool [H, W].

    It is drawn where all of it has room, as OpenCV's clipping of thick lines has changed.
    """
    corners = np.array(ends, np.int32)
    height, shape = image.shape[0], np.array(image.shape[1::-1])
    before = np.maximum(-corners.min(0), 0) + width
    room = np.maximum(corners.max(0) - shape, 0) + width + before + shape
    sheet = np.zeros((int(room[1]), int(room[0])), np.uint8)
    start, end = (corners + before).tolist()
    cv2.line(sheet, start, end, 1, width)
    x, y = before.tolist()
    drawn = sheet[y : y + height, x : x + image.shape[1]] > 0
    image[drawn] = ink
    return drawn
