"""Oriented boxes: rectangles at an angle, before and after a protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError
from zoo_core.toolkit.detection.detections import Candidates, Detections, Pairs
from zoo_core.toolkit.detection.nms import ranked
from zoo_core.toolkit.detection.rules import settle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.toolkit.detection.rules import DetectionRules
    from zoo_core.vision.geometry import Geometry

    Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrientedCandidates:
    """The oriented boxes of one image; task `oriented-detection`.

    `oriented` float32 [n, 5] is x, y of the centre, width, height in pixels of the image as read,
    and the angle in radians by which the width's axis is turned from the x axis to the y axis (in
    a picture, whose y goes down: clockwise). `found.boxes` are the upright boxes around them.
    Raises `StageError` where the arrays do not fit together.
    """

    found: Candidates
    oriented: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check(self.oriented, len(self.found.boxes))

    @classmethod
    def from_dense(
        cls, boxes: NDArray[Any], scores: NDArray[Any], floor: float, geometry: Geometry
    ) -> OrientedCandidates:
        """From every box [N, 5] in network pixels and its scores [N, C], as `Candidates` does.

        Where the image was not scaled alike in x and y, width and height are those of the two axes
        in the image: the parallelogram that the box becomes is taken as a rectangle.
        """
        if np.ndim(scores) != 2 or np.shape(boxes) != (len(scores), 5):
            raise StageError(f"boxes {np.shape(boxes)} do not go with scores {np.shape(scores)}")
        with np.errstate(over="ignore", invalid="ignore"):
            placed = to_image(np.asarray(boxes, np.float64), geometry).astype(np.float32)
            around = upright(placed)
        pairs = Pairs.above(np.asarray(scores), floor)
        found = Candidates.from_pairs(around, pairs, floor, geometry.source)
        return cls(found=found, oriented=placed[found.anchor])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for the store."""
        return {**self.found.to_arrays(), "oriented": self.oriented}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> OrientedCandidates:
        """The inverse of `to_arrays`."""
        return cls(found=Candidates.from_arrays(arrays), oriented=arrays["oriented"])

    def settle(self, rules: DetectionRules) -> OrientedDetections:
        """The boxes that the rules leave, with NMS by the overlap of the oriented boxes.

        Raises `UsageError` as `postprocess` does.
        """

        def suppress(
            rows: NDArray[Any], scores: NDArray[np.float32], labels: NDArray[Any], most: float
        ) -> NDArray[np.intp]:
            order = ranked(scores)
            boxes, around = self.oriented[rows], self.found.boxes[rows]
            return order[_survivors(boxes[order], around[order], labels[order], most)]

        detections, rows = settle(self.found, rules, suppress)
        return OrientedDetections(detections, self.oriented[rows])


@dataclass(frozen=True, slots=True)
class OrientedDetections:
    """Settled oriented boxes of one image; see `OrientedCandidates`.

    Raises `StageError` where the arrays do not fit together.
    """

    detections: Detections
    oriented: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check(self.oriented, len(self.detections))

    def __len__(self) -> int:
        return len(self.detections)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for the store."""
        return {**self.detections.to_arrays(), "oriented": self.oriented}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> OrientedDetections:
        """The inverse of `to_arrays`."""
        return cls(Detections.from_arrays(arrays), arrays["oriented"])


def to_image(boxes: NDArray[np.float64], geometry: Geometry) -> NDArray[np.float64]:
    """Oriented boxes [n, 5] in network pixels -> the image as read."""
    scale = np.array(geometry.scale)
    cosine, sine = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    across = np.stack([cosine, sine], axis=1) * boxes[:, 2:3] / scale
    down = np.stack([-sine, cosine], axis=1) * boxes[:, 3:4] / scale
    centre = (boxes[:, :2] - geometry.offset) / scale
    sides = np.hypot(across[:, 0], across[:, 1]), np.hypot(down[:, 0], down[:, 1])
    # The angle of a box without width is the one it had.
    axis = np.where(sides[0][:, None] > 0, across, np.stack([cosine, sine], axis=1))
    angle = np.arctan2(axis[:, 1], axis[:, 0])
    same = scale[0] == scale[1]
    return np.column_stack([centre, *sides, boxes[:, 4] if same else angle])


def corners(boxes: NDArray[Any]) -> NDArray[Any]:
    """The four corners [n, 4, 2] of oriented boxes [n, 5], in turn."""
    cosine, sine = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    across = np.stack([cosine, sine], axis=1) * boxes[:, 2:3] / 2
    down = np.stack([-sine, cosine], axis=1) * boxes[:, 3:4] / 2
    ends = (-across - down, across - down, across + down, down - across)
    return np.stack([boxes[:, :2] + end for end in ends], axis=1)


def upright(boxes: NDArray[Any]) -> NDArray[Any]:
    """The upright boxes xyxy [n, 4] around oriented ones [n, 5], in the dtype given."""
    points = corners(boxes)
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def oriented_iou(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Intersection over union of two oriented boxes [5]; 0 where both have no area."""
    import cv2

    # OpenCV computes in float32: near the origin it keeps the most digits.
    own, other = np.array(a, np.float64), np.array(b, np.float64)
    own[:2], other[:2] = 0, other[:2] - np.asarray(a[:2], np.float64)
    _, shared = cv2.rotatedRectangleIntersection(_rectangle(own), _rectangle(other))
    area = 0.0
    if shared is not None and len(shared) > 2:
        area = cv2.contourArea(cv2.convexHull(shared))
    union = float(a[2]) * float(a[3]) + float(b[2]) * float(b[3]) - area
    return area / union if union > 0 else 0.0


def _rectangle(box: NDArray[Any]) -> tuple[tuple[float, float], tuple[float, float], float]:
    x, y, width, height, angle = (float(value) for value in box)
    return (x, y), (width, height), float(np.degrees(angle))


def _survivors(
    boxes: NDArray[Any], around: NDArray[Any], labels: NDArray[Any], threshold: float
) -> NDArray[np.bool_]:
    """Whether each box survives greedy NMS per class; they come best first."""
    alive = np.ones(len(boxes), bool)
    for row in range(len(boxes)):
        if not alive[row]:
            continue
        later = np.arange(row + 1, len(boxes))
        near = alive[row + 1 :] & (labels[row + 1 :] == labels[row])
        near &= (around[row + 1 :, :2] < around[row, 2:]).all(axis=1)
        near &= (around[row + 1 :, 2:] > around[row, :2]).all(axis=1)
        for other in later[near].tolist():
            alive[other] = oriented_iou(boxes[row], boxes[other]) <= threshold
    return alive


def _check(oriented: Any, count: int) -> None:
    shape = np.shape(oriented)
    if shape != (count, 5) or oriented.dtype != np.float32:
        what = f"{getattr(oriented, 'dtype', type(oriented).__name__)} {list(shape)}"
        raise StageError(f"oriented boxes are {what}, not float32 [{count}, 5]")
