"""What calibration images look like: too few, almost equal to each other, or grey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIDE = 16
"""Pixels of a thumbnail's side."""

FEWEST = 8
_ALIKE = 20.0
"""Mean difference of two thumbnails in levels of 255: frames of one video that pans by 30 percent
in 16 steps differ by 8 to 16 from the next, any two of 64 photos of COCO by 26 or more."""

_GREY = 2.0
"""Mean difference of the largest and the smallest channel of a thumbnail in levels of 255."""


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 [16, 16, 3], the means of areas of an image, uint8 [height, width, 3]."""
    import cv2

    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def variety(thumbnails: Sequence[NDArray[np.float32]]) -> dict[str, Any]:
    """{"images", "distinct", "grey"}: an image is distinct if it is unlike all before it."""
    kept = np.empty((len(thumbnails), SIDE, SIDE, 3), np.float32)
    count = 0
    for image in thumbnails:
        if not count or np.abs(kept[:count] - image).mean((1, 2, 3)).min() >= _ALIKE:
            kept[count] = image
            count += 1
    spread = [np.mean(image.max(-1) - image.min(-1)) for image in thumbnails]
    grey = sum(float(value) < _GREY for value in spread)
    return {"images": len(thumbnails), "distinct": count, "grey": grey}


def doubts(seen: dict[str, Any]) -> list[str]:
    """A sentence for each reason why these images may not stand for those to come."""
    images, distinct, grey = seen["images"], seen["distinct"], seen["grey"]
    texts = []
    if images < FEWEST:
        texts.append(
            f"calibrated on {images} images only: ranges settle from about {FEWEST} on; give more "
            "with --calibration DIR"
        )
    if 2 * distinct < images:
        texts.append(
            f"calibration images are alike: {images} of them show {distinct} different scenes (as "
            "frames of one video do), and count for no more; take images of other scenes"
        )
    if 2 * grey > images:
        texts.append(
            f"calibration images are grey: {grey} of {images} have no colour; take such as the "
            "network will see"
        )
    return texts
