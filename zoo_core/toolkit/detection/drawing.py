"""Detections drawn on an image, to be looked at."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.vision.geometry import clip_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_core.toolkit.detection.detections import Detections

    Colour = tuple[int, int, int]
    Image = NDArray[np.uint8]
    Place = tuple[int, int, int, int]

_GOLDEN_RATIO = 0.618033988749895


def draw_detections(
    image: Image, detections: Detections, labels: Sequence[str], min_score: float
) -> Image:
    """A copy of the image, uint8 [height, width, 3] RGB, with the boxes above `min_score`.

    One colour per class, lines and text by the image's size, the best box on top; boxes are cut to
    the image, and those wholly outside are left out.
    """
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    visible = detections.take(np.flatnonzero(detections.scores > min_score))
    visible = visible.take(np.argsort(visible.scores, kind="stable"))
    boxes = clip_boxes(visible.boxes, (height - 1, width - 1))
    line = max(1, round(min(height, width) / 250))
    tags = []
    for box, score, label in zip(boxes, visible.scores, visible.labels, strict=True):
        if not (box[2:] > box[:2]).all():
            continue
        corners = [int(value) for value in np.rint(box)]
        colour = class_colour(int(label))
        cv2.rectangle(canvas, corners[:2], corners[2:], colour, line)
        name = labels[label] if 0 <= label < len(labels) else f"class {label}"
        tags.append((f"{name} {score:.2f}", corners, colour))
    taken: list[Place] = []
    for text, corners, colour in reversed(tags):
        taken.append(_tag(canvas, text, corners, colour, taken))
    return canvas


def class_colour(label: int) -> Colour:
    """A colour of its own for a class, RGB 0..255: hues by the golden ratio, three brightnesses."""
    hue = (label * _GOLDEN_RATIO) % 1.0
    red, green, blue = hsv_to_rgb(hue, 0.85, (1.0, 0.8, 0.9)[label % 3])
    return round(red * 255), round(green * 255), round(blue * 255)


def _tag(
    canvas: Image, text: str, corners: Sequence[int], colour: Colour, taken: Sequence[Place]
) -> Place:
    """The text on a ground of the class's colour, where no other stands; returns the place."""
    import cv2

    height, width = canvas.shape[:2]
    font = cv2.FONT_HERSHEY_SIMPLEX
    scale = max(0.4, min(height, width) / 1000)
    weight = max(1, round(scale * 1.5))
    (wide, high), low = cv2.getTextSize(text, font, scale, weight)
    margin = 2 * weight
    size = (wide + 2 * margin, high + low + margin)
    left, top = _free_place(corners, size, (height, width), taken)
    bottom = top + size[1]
    cv2.rectangle(canvas, (left, top), (left + size[0], bottom), colour, cv2.FILLED)
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ink = (0, 0, 0) if luminance > 128 else (255, 255, 255)
    cv2.putText(canvas, text, (left + margin, bottom - low), font, scale, ink, weight, cv2.LINE_AA)
    return left, top, left + size[0], bottom


def _free_place(
    corners: Sequence[int], size: tuple[int, int], canvas: tuple[int, int], taken: Sequence[Place]
) -> tuple[int, int]:
    """Left and top of a tag of `size` (width, height): above the box, else the next free row below.

    Where the image has no room left the tag stands above the box all the same.
    """
    left = max(0, min(corners[0], canvas[1] - size[0]))
    first = max(0, corners[1] - size[1])
    for top in range(first, canvas[0] - size[1], size[1] + 1):
        place = (left, top, left + size[0], top + size[1])
        if not any(_meet(place, other) for other in taken):
            return left, top
    return left, first


def _meet(a: Place, b: Place) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
