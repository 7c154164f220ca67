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

    Only source rows that are used are widened to float: at most two per row of the result.
    """
    height, width = size
    if image.shape[:2] == size:
        return image.astype(np.float32)
    top, down = _positions(image.shape[0], height)
    left, across = _positions(image.shape[1], width)
    left[-1], across[-1] = image.shape[1] - 1, 0
    bottom = np.minimum(top + 1, image.shape[0] - 1)
    right = np.minimum(left + 1, image.shape[1] - 1)
    used, place = np.unique(np.concatenate([top, bottom]), return_inverse=True)
    # Columns become rows, so that picking them moves whole runs of memory.
    turned = np.ascontiguousarray(image[used].transpose(1, 0, 2))
    weight = across[:, None, None]
    part = (1 - weight) * turned[left] + weight * turned[right]
    part = np.ascontiguousarray(part.transpose(1, 0, 2))
    weight = down[:, None, None]
    result = (1 - weight) * part[place[:height]]
    weight[-1] = 0
    result += weight * part[place[height:]]
    return np.asarray(result, np.float32)


def _positions(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Source indices, and the weight of the next one, of every target pixel along one axis."""
    step = np.float32(old - 1) / np.float32(max(new - 1, 1))
    where = np.arange(new, dtype=np.float32) * step
    first = where.astype(np.intp)
    return first, where - first.astype(np.float32)
