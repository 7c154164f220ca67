"""An image under the colours of its classes, with a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from zoo_segmentation.masks import colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_COVER = 0.55
_SMALLEST = 160
_MOST = 12
_INK, _GROUND = (255, 255, 255), (0, 0, 0)


def painted(image: NDArray[Any], classes: NDArray[Any], labels: Sequence[str]) -> NDArray[np.uint8]:
    """A copy of the image, uint8 [h, w, 3] RGB; the first class is left as it is.

    The key at the top left names the classes that are there, the largest first.
    """
    counts = np.bincount(classes.ravel(), minlength=1)
    colours = np.array([colour(number) for number in range(len(counts))], np.float32)
    over = _COVER * (classes > 0)[..., None].astype(np.float32)
    mixed = image * (1 - over) + colours[classes] * over
    canvas = np.ascontiguousarray(np.rint(mixed).astype(np.uint8))
    order = np.argsort(-counts, kind="stable").tolist()
    shown = [number for number in order if number and counts[number]][:_MOST]
    scale = max(min(canvas.shape[:2]), _SMALLEST) / 800
    font, weight, top = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(scale * 2)), 0
    for number in shown:
        name = labels[number] if number < len(labels) else f"class {number}"
        (wide, high), low = cv2.getTextSize(name, font, scale, weight)
        side, bottom = high + low, top + high + 2 * low
        cv2.rectangle(canvas, (0, top), (side + wide + 2 * low, bottom), _GROUND, cv2.FILLED)
        cv2.rectangle(
            canvas,
            (low // 2, top + low // 2),
            (side, bottom - low // 2),
            colour(number),
            cv2.FILLED,
        )
        place = (side + low, bottom - low)
        cv2.putText(canvas, name, place, font, scale, _INK, weight, cv2.LINE_AA)
        top = bottom
    return canvas
