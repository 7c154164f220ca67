"""Image resampling: OpenCV's on uint8, and darknet's corner-aligned bilinear in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.vision.steps import Interpolation

_OPENCV = {
    "bilinear": "INTER_LINEAR",
    "nearest": "INTER_NEAREST",
    "bicubic": "INTER_CUBIC",
    "area": "INTER_AREA",
}


def resample(
    image: NDArray[np.uint8], size: tuple[int, int], interpolation: Interpolation
) -> NDArray[Any]:
    """Image uint8 [h, w, 3] -> `size` (height, width): uint8, or float32 for align_corners."""
    if interpolation == "bilinear_align_corners":
        return align_corners(image, size)
    if image.shape[:2] == size:
        return image
    import cv2

    flag = getattr(cv2, _OPENCV[interpolation])
    resized = cv2.resize(image, (size[1], size[0]), interpolation=flag)
    return np.asarray(resized, np.uint8)


def align_corners(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Darknet's bilinear resize: uint8 [h, w, 3] -> float32 `size` (height, width), 0..255.

    Source position = i * (old - 1) / (new - 1) in float32; width first, then height; the last
    column copies the last source column. Where rounding puts the last row's position just below
    the last source row, darknet weighs that row by its tiny remainder only and the row turns dark;
    so it does here (AlexeyAB/darknet, image.c, resize_image).

    Only source rows that are used are widened to float: at most two per row of the result. The
    memory of the result is channel by channel.
    """
    import cv2

    height, width = size
    if image.shape[:2] == size:
        return image.transpose(2, 0, 1).astype(np.float32).transpose(1, 2, 0)
    top, down = _positions(image.shape[0], height)
    left, across = _positions(image.shape[1], width)
    left[-1], across[-1] = image.shape[1] - 1, 0
    bottom = np.minimum(top + 1, image.shape[0] - 1)
    right = np.minimum(left + 1, image.shape[1] - 1)
    used, place = np.unique(np.concatenate([top, bottom]), return_inverse=True)
    top, bottom = place[:height], place[height:]
    rows = image[used] if len(used) < len(image) else image
    result = np.empty((3, height, width), np.float32)
    for channel, plane in zip(cv2.split(rows), result, strict=True):
        # Columns become rows, so that picking them moves whole runs of memory.
        turned = cv2.transpose(channel)
        part = cv2.transpose(_blend(turned[left], turned[right], 1 - across, across))
        plane[...] = _blend(part[top], part[bottom], 1 - down, _but_last(down))
    return result.transpose(1, 2, 0)


def _blend(
    one: NDArray[Any], other: NDArray[Any], near: NDArray[np.float32], far: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Row by row, one * near + other * far in float32."""
    result = np.multiply(one, near[:, None], dtype=np.float32)
    result += np.multiply(other, far[:, None], dtype=np.float32)
    return result


def _but_last(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.append(weights[:-1], np.float32(0))


def _positions(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Source indices, and the weight of the next one, of every target pixel along one axis."""
    step = np.float32(old - 1) / np.float32(max(new - 1, 1))
    where = np.arange(new, dtype=np.float32) * step
    first = where.astype(np.intp)
    return first, where - first.astype(np.float32)
