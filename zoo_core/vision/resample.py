"""Image resampling: OpenCV's on uint8, and darknet's corner-aligned bilinear in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zoo_core.vision.steps import Interpolation

_OPENCV = {
    "bilinear": "INTER_LINEAR",
    "nearest": "INTER_NEAREST",
    "bicubic": "INTER_CUBIC",
    "area": "INTER_AREA",
}

_ROWS = 96


def resample(
    image: NDArray[np.uint8], size: tuple[int, int], interpolation: Interpolation
) -> NDArray[Any]:
    """Image uint8 [h, w, c] -> `size` (height, width): uint8, or float32 for align_corners."""
    if interpolation == "bilinear_align_corners":
        return align_corners(image, size)
    if image.shape[:2] == size:
        return image
    import cv2

    flag = getattr(cv2, _OPENCV[interpolation])
    resized = cv2.resize(image, (size[1], size[0]), interpolation=flag)
    return np.asarray(resized, np.uint8).reshape(*size, image.shape[2])


def bilinear_places(
    start: int, stop: int, scale: float, offset: float, length: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For pixels [start, stop) of an image, the two nearest of a map, and the second one's share.

    map = image * scale + offset, where pixel i of either covers i to i + 1; beyond the `length`
    pixels of the map its last one counts. With the exact ratio of two lengths this is the bilinear
    resize of PyTorch (align_corners=False).
    """
    at = (np.arange(start, stop) + 0.5) * scale + offset - 0.5
    at = np.clip(at, 0, length - 1)
    first = np.floor(at).astype(np.intp)
    return first, np.minimum(first + 1, length - 1), (at - first).astype(np.float32)


def align_corners(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Darknet's bilinear resize: uint8 [h, w, c] -> float32 `size` (height, width), 0..255.

    Source position = i * (old - 1) / (new - 1) in float32; width first, then height; the last
    column copies the last source column. Where rounding puts the last row's position just below
    the last source row, darknet weighs that row by its tiny remainder only and the row turns dark;
    so it does here (AlexeyAB/darknet, image.c, resize_image).

    Some rows of the result are made at a time, from the source rows that they use, so that the
    work stays in the processor's cache. The memory of the result is channel by channel.
    """
    height, width = size
    if image.shape[:2] == size:
        return image.transpose(2, 0, 1).astype(np.float32).transpose(1, 2, 0)
    left, across = _positions(image.shape[1], width)
    left[-1], across[-1] = image.shape[1] - 1, 0
    top, down = _positions(image.shape[0], height)
    near, far = 1 - down, down.copy()
    far[-1] = 0
    result = np.empty((image.shape[2], height, width), np.float32)
    for start in range(0, height, _ROWS):
        rows = slice(start, start + _ROWS)
        used, place = np.unique([top[rows], top[rows] + 1], return_inverse=True)
        one, other = place.reshape(2, -1)
        source = image[np.minimum(used, image.shape[0] - 1)]
        for part, target in zip(_widened(source, left, across), result[:, rows], strict=True):
            target[...] = _blend(part[one], part[other], near[rows], far[rows])
    return result.transpose(1, 2, 0)


def _widened(
    source: NDArray[np.uint8], left: NDArray[np.intp], across: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """The first pass, channel by channel: rows [k, w] -> float32 [k, new w]."""
    import cv2

    right = np.minimum(left + 1, source.shape[1] - 1)
    for channel in cv2.split(source):
        # Columns become rows, so that picking them moves whole runs of memory.
        turned = cv2.transpose(channel).reshape(source.shape[1], -1)
        blended = _blend(turned[left], turned[right], 1 - across, across)
        yield np.asarray(cv2.transpose(blended), np.float32).reshape(-1, len(left))


def _blend(
    one: NDArray[Any], other: NDArray[Any], near: NDArray[np.float32], far: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Row by row, one * near + other * far in float32."""
    result = np.multiply(one, near[:, None], dtype=np.float32)
    result += np.multiply(other, far[:, None], dtype=np.float32)
    return np.asarray(result, np.float32)


def _positions(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Source indices, and the weight of the next one, of every target pixel along one axis."""
    step = np.float32(old - 1) / np.float32(max(new - 1, 1))
    where = np.arange(new, dtype=np.float32) * step
    first = where.astype(np.intp)
    return first, where - first.astype(np.float32)
