"""Masks, oriented boxes and key points drawn on an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.toolkit.detection.drawing import class_colour
from zoo_core.toolkit.detection.oriented import corners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo_core.toolkit.detection import Instances, OrientedDetections, Poses

_COVER = 0.45
_SURE = 0.5
_LIMBS = (
    *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8)),
    *((7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
)
"""Pairs of COCO's 17 points: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles."""

_COCO = 17


def draw_masks(image: NDArray[Any], found: Instances, least: float) -> NDArray[np.uint8]:
    """A copy of the image, uint8 [h, w, 3] RGB, under the masks above `least`, the best on top.

    A mask has the colour of its class, with a line around it.
    """
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    scores = found.detections.scores
    for row in np.argsort(scores, kind="stable").tolist():
        if scores[row] <= least or found.size != canvas.shape[:2]:
            continue
        mask = found.mask(row)
        colour = class_colour(int(found.detections.labels[row]))
        mixed = canvas[mask] * (1 - _COVER) + np.array(colour) * _COVER
        canvas[mask] = np.rint(mixed).astype(np.uint8)
        outline = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )[0]
        cv2.drawContours(canvas, outline, -1, colour, max(1, round(min(canvas.shape[:2]) / 400)))
    return canvas


def draw_oriented(
    image: NDArray[Any], found: OrientedDetections, labels: Sequence[str], least: float
) -> NDArray[np.uint8]:
    """A copy of the image with the oriented boxes above `least`, their names and scores."""
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    scores, numbers = found.detections.scores, found.detections.labels.tolist()
    line = max(1, round(min(canvas.shape[:2]) / 250))
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, min(canvas.shape[:2]) / 1000)
    for row in np.argsort(scores, kind="stable").tolist():
        points = np.clip(np.rint(corners(found.oriented[row : row + 1])[0]), -(1 << 14), 1 << 14)
        if scores[row] <= least:
            continue
        number = numbers[row]
        colour = class_colour(number)
        cv2.polylines(canvas, [points.astype(np.int32)], True, colour, line, cv2.LINE_AA)
        name = labels[number] if 0 <= number < len(labels) else f"class {number}"
        place = points[points[:, 1].argmin()].astype(int).tolist()
        text = f"{name} {scores[row]:.2f}"
        cv2.putText(canvas, text, place, font, scale, colour, line, cv2.LINE_AA)
    return canvas


def draw_points(image: NDArray[Any], found: Poses, least: float) -> NDArray[np.uint8]:
    """A copy of the image with the sure points of what scores above `least`, and COCO's limbs."""
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    size = max(1, round(min(canvas.shape[:2]) / 200))
    for row in np.flatnonzero(found.detections.scores > least).tolist():
        points = found.keypoints[row]
        inside = (np.abs(points[:, :2]) < 1 << 14).all(axis=1)
        shown = (points[:, 2] >= _SURE) & inside
        places = [
            (round(x), round(y)) for x, y in np.where(inside[:, None], points[:, :2], 0).tolist()
        ]
        colour = class_colour(row)
        for one, other in _LIMBS if len(points) == _COCO else ():
            if shown[one] and shown[other]:
                cv2.line(canvas, places[one], places[other], colour, size, cv2.LINE_AA)
        for at in np.flatnonzero(shown).tolist():
            cv2.circle(canvas, places[at], size + 1, class_colour(at), cv2.FILLED, cv2.LINE_AA)
    return canvas
