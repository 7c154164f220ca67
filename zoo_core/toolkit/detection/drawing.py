"""Detections drawn on an image, to be looked at."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass
from itertools import product
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
_FONT = 0
"""OpenCV's FONT_HERSHEY_SIMPLEX."""


def draw_detections(
    image: Image, detections: Detections, labels: Sequence[str], min_score: float
) -> Image:
    """A copy of the image, uint8 [height, width, 3] RGB, with the boxes above `min_score`.

    One colour per class, lines and text by the image's size, the best box on top; boxes are cut to
    the image, and those wholly outside are left out. Each label touches its box.
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
        tags.append(_Tag.of(f"{name} {score:.2f}", corners, colour, canvas.shape[:2]))
    taken: list[Place] = []
    for tag in reversed(tags):
        taken.append(tag.place(taken))
    for tag, place in zip(tags, reversed(taken), strict=True):
        tag.draw(canvas, place)
    return canvas


def class_colour(label: int) -> Colour:
    """A colour of its own for a class, RGB 0..255: hues by the golden ratio, three brightnesses."""
    hue = (label * _GOLDEN_RATIO) % 1.0
    red, green, blue = hsv_to_rgb(hue, 0.85, (1.0, 0.8, 0.9)[label % 3])
    return round(red * 255), round(green * 255), round(blue * 255)


@dataclass(frozen=True, slots=True)
class _Tag:
    """A text on a ground of its class's colour, at the box that it is of.

    `size` is (width, height) of the ground; `places` are those where it touches the box, the best
    first.
    """

    text: str
    colour: Colour
    scale: float
    weight: int
    drop: int
    size: tuple[int, int]
    places: tuple[Place, ...]

    @classmethod
    def of(cls, text: str, corners: Sequence[int], colour: Colour, canvas: tuple[int, ...]) -> _Tag:
        import cv2

        scale = max(0.4, min(canvas) / 1000)
        weight = max(1, round(scale * 1.5))
        (wide, high), low = cv2.getTextSize(text, _FONT, scale, weight)
        size = (wide + 4 * weight, high + low + 2 * weight)
        return cls(text, colour, scale, weight, low, size, _places(corners, size, canvas))

    def place(self, taken: Sequence[Place]) -> Place:
        """The first place where no other tag stands, else the one that hides the least."""
        return min(self.places, key=lambda place: sum(_shared(place, other) for other in taken))

    def draw(self, canvas: Image, place: Place) -> None:
        import cv2

        cv2.rectangle(canvas, place[:2], place[2:], self.colour, cv2.FILLED)
        luminance = 0.299 * self.colour[0] + 0.587 * self.colour[1] + 0.114 * self.colour[2]
        ink = (0, 0, 0) if luminance > 128 else (255, 255, 255)
        left, bottom = place[0] + 2 * self.weight, place[3] - self.drop
        cv2.putText(
            canvas, self.text, (left, bottom), _FONT, self.scale, ink, self.weight, cv2.LINE_AA
        )


def _places(
    corners: Sequence[int], size: tuple[int, int], canvas: tuple[int, ...]
) -> tuple[Place, ...]:
    """Above the box and at the top inside, at its left or right; so below and at the bottom."""
    left, top, right, bottom = corners
    wide, high = size
    lefts = [max(0, min(x, canvas[1] - wide - 1)) for x in (left, right - wide)]
    rows = (top - high, top + 1, bottom, bottom - high - 1)
    above, inside, *others = [max(0, min(y, canvas[0] - high - 1)) for y in rows]
    spots = product(((above, inside), tuple(others)), lefts)
    return tuple((x, y, x + wide, y + high) for ys, x in spots for y in ys)


def _shared(a: Place, b: Place) -> int:
    """The pixels that two places share, their edges included."""
    wide = min(a[2], b[2]) - max(a[0], b[0]) + 1
    high = min(a[3], b[3]) - max(a[1], b[1]) + 1
    return max(0, wide) * max(0, high)
