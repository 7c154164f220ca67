"""Where an image lies in a network's input, box formats, and the overlap of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DARKNET_EXPONENT = 0.6


@dataclass(frozen=True, slots=True)
class Geometry:
    """The map from an image as read to the network's input, per axis: net = image * scale + offset.

    `source` and `network` are (height, width) in pixels; `scale` is (x, y), the exact ratio of the
    resized to the original length; `offset` is (x, y) in network pixels: the whole pixels by which
    a letterbox really moved the image (negative after a crop).
    """

    source: tuple[int, int]
    network: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def identity(cls, size: tuple[int, int]) -> Geometry:
        """An image of `size` (height, width) that goes in as it is."""
        return cls(source=size, network=size, scale=(1.0, 1.0))

    def to_image(self, boxes: NDArray[Any]) -> NDArray[np.float32]:
        """Boxes xyxy [n, 4] in network pixels -> the image as read; not clipped.

        Computed in float64 and rounded once; what exceeds float32 becomes infinite.
        """
        moved = (_wide(boxes) - self._four(self.offset)) / self._four(self.scale)
        return _narrow(moved)

    def to_network(self, boxes: NDArray[Any]) -> NDArray[np.float32]:
        """Boxes xyxy [n, 4] in pixels of the image as read -> network pixels; not clipped."""
        return _narrow(_wide(boxes) * self._four(self.scale) + self._four(self.offset))

    @staticmethod
    def _four(pair: tuple[float, float]) -> NDArray[np.float64]:
        return np.array(pair + pair, np.float64)


def _wide(boxes: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def _narrow(boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return boxes.astype(np.float32)


def xyxy_to_xywh(boxes: NDArray[Any]) -> NDArray[Any]:
    """Corners [n, 4] -> left, top, width, height (COCO's form), in the dtype given."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def cxcywh_to_xyxy(boxes: NDArray[Any]) -> NDArray[Any]:
    """Centre, width, height [n, 4] -> corners, in the dtype given; x2 is x1 + width."""
    first = boxes[:, :2] - boxes[:, 2:] / 2
    return np.concatenate([first, first + boxes[:, 2:]], axis=1)


def clip_boxes(boxes: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Boxes xyxy [n, 4] cut to an image of `size` (height, width), in the dtype given."""
    height, width = size
    limit = np.array([width, height, width, height], boxes.dtype)
    return np.asarray(np.minimum(np.maximum(boxes, 0), limit))


def iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Intersection over union of every a [n, 4] with every b [m, 4], xyxy -> [n, m].

    Areas have no +1. Two boxes without area give NaN, as 0/0 does.
    """
    return paired_iou(a.T[:, :, None], b.T[:, None, :])


def diou(a: NDArray[Any], b: NDArray[Any], exponent: float = DARKNET_EXPONENT) -> NDArray[Any]:
    """Distance-IoU of every a [n, 4] with every b [m, 4], xyxy -> [n, m].

    iou - (d / c) ** exponent, with d the squared distance of the centres and c the squared
    diagonal of the enclosing box (Zheng et al., "Distance-IoU Loss", 2020, exponent 1). Darknet's
    greedy NMS uses exponent 0.6 and an IoU of 0 where nothing overlaps (AlexeyAB/darknet, box.c).
    """
    return paired_diou(a.T[:, :, None], b.T[:, None, :], exponent)


def paired_iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """IoU of boxes given as columns x1, y1, x2, y2 (first axis 4); the other axes broadcast."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
        height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
        return np.asarray(shared / union)


def paired_diou(a: NDArray[Any], b: NDArray[Any], exponent: float) -> NDArray[Any]:
    """Distance-IoU of boxes given as columns; see `diou`."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        width = np.maximum(a[2], b[2]) - np.minimum(a[0], b[0])
        height = np.maximum(a[3], b[3]) - np.minimum(a[1], b[1])
        diagonal = width * width + height * height
        across = (a[0] + a[2] - b[0] - b[2]) / 2
        down = (a[1] + a[3] - b[1] - b[3]) / 2
        share = (across * across + down * down) / diagonal
        penalty = np.power(share, exponent, dtype=np.float64).astype(share.dtype)
        overlap = paired_iou(a, b)
        overlap = np.where(np.isnan(overlap), 0, overlap)
        return np.asarray(overlap - np.where(diagonal > 0, penalty, 0))
