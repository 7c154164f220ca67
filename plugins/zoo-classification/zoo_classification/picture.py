"""An image with lines of text on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SMALLEST = 160
_INK, _GROUND = (255, 255, 255), (0, 0, 0)


def labelled(image: NDArray[Any], lines: Sequence[str]) -> NDArray[np.uint8]:
    """A copy of the image, uint8 [h, w, 3] RGB, with the lines at its top left on dark ground."""
    canvas = np.ascontiguousarray(image).copy()
    scale = max(min(canvas.shape[:2]), _SMALLEST) / 480
    font, weight = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(scale * 2))
    top = 0
    for line in lines:
        (wide, high), low = cv2.getTextSize(line, font, scale, weight)
        bottom = top + high + 2 * low
        cv2.rectangle(canvas, (0, top), (wide + low, bottom), _GROUND, cv2.FILLED)
        cv2.putText(canvas, line, (low // 2, bottom - low), font, scale, _INK, weight, cv2.LINE_AA)
        top = bottom
    return canvas
