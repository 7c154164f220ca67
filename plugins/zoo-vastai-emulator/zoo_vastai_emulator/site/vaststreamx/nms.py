"""The detection operators that vamc appends to a graph: decoding and NMS, in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Found = tuple[Floats, Floats]

ROWS = 1024
"""Rows of the outputs. The real number is unknown.

COCO counts 100 detections for each image and class, so that a small number would take recall away:
this one leaves room for ten classes with 100 each, more than an image of COCO has.
"""

CANDIDATES = 8192
"""Best (box, class) pairs that NMS looks at, so that a network of noise ends in bounded time."""

TYPES = ("yolov4_nms", "yolov5_nms")


def does_detect(extra_ops: Mapping[str, Any]) -> bool:
    """Whether the graph ends in one of these operators."""
    return extra_ops.get("type") in TYPES


def detect(extra: Mapping[str, Any], outputs: list[Floats], size: tuple[int, int]) -> list[Floats]:
    """Outputs of one sample to ids [1, N, 1], scores [1, N, 1] and boxes [1, N, 4].

    Boxes are x1, y1, x2, y2 in pixels of the model's input `size` = (height, width), rows are
    sorted by score, unused rows are -1. Several labels for a box; NMS within a class suppresses
    what overlaps by more than the threshold.
    """
    params = extra["params"]
    conf, iou = float(params["confidence_threshold"]), float(params["nms_threshold"])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        boxes, scores = _candidates(str(extra["type"]), params, outputs, size, conf)
        ids, best, kept = _suppress(boxes, scores, conf, iou)
    rows = [np.full((1, ROWS, width), -1, np.float32) for width in (1, 1, 4)]
    count = len(ids)
    rows[0][0, :count, 0], rows[1][0, :count, 0], rows[2][0, :count] = ids, best, kept
    return rows


def _candidates(
    kind: str, params: Mapping[str, Any], outputs: list[Floats], size: tuple[int, int], conf: float
) -> Found:
    """Boxes [n, 4] and scores [n, classes], of what passes by its objectness at least."""
    classes = int(params["num_classes"])
    if outputs[0].ndim == 4 and outputs[0].shape[2] == 1 and outputs[0].shape[3] == 4:
        return _ready(outputs, size, classes)
    if kind == "yolov5_nms" and outputs[0].ndim == 3:
        return _columns(_with_classes(outputs[0][0], 5, classes), conf)
    found = [_head(kind, params, output, size, conf) for output in outputs if output.ndim == 4]
    return (
        np.concatenate([boxes for boxes, _ in found]),
        np.concatenate([scores for _, scores in found]),
    )


def _ready(outputs: list[Floats], size: tuple[int, int], classes: int) -> Found:
    """An end-to-end export: boxes [1, n, 1, 4] in parts of the input, scores [1, n, classes]."""
    scale = np.array([size[1], size[0]] * 2, np.float32)
    return outputs[0][0, :, 0] * scale, _with_classes(outputs[1][0], 0, classes)


def _with_classes(rows: Floats, others: int, classes: int) -> Floats:
    """The same rows; raises RuntimeError where they have another number of columns."""
    if rows.shape[1] != others + classes:
        raise RuntimeError(
            f"num_classes is {classes}, the graph's output has {rows.shape[1] - others} classes"
        )
    return rows


def _columns(rows: Floats, conf: float) -> Found:
    """Rows [n, 5 + classes] of centre, size in pixels, objectness, class scores."""
    rows = rows[rows[:, 4] > conf]
    return _corners(rows[:, :2], rows[:, 2:4]), rows[:, 5:] * rows[:, 4:5]


def _head(
    kind: str, params: Mapping[str, Any], head: Floats, size: tuple[int, int], conf: float
) -> Found:
    """A raw head [1, A * (5 + classes), h, w].

    yolov4: centre (sigmoid(t) + cell) * stride, size exp(t) * anchor. yolov5: centre
    (2 sigmoid(t) - 0.5 + cell) * stride, size (2 sigmoid(t))^2 * anchor.
    """
    stride, anchors = _scale(params, head.shape, size)
    grid = head.reshape(len(anchors), -1, *head.shape[2:])
    _with_classes(grid[0, :, 0].T, 5, int(params["num_classes"]))
    which, row, column = np.nonzero(_sigmoid(grid[:, 4]) > conf)
    values = grid[which, :, row, column]
    cell = np.stack([column, row], 1).astype(np.float32)
    if kind == "yolov4_nms":
        centre = (_sigmoid(values[:, :2]) + cell) * stride
        sides = np.exp(values[:, 2:4]) * anchors[which]
    else:
        centre = (2 * _sigmoid(values[:, :2]) - np.float32(0.5) + cell) * stride
        sides = (2 * _sigmoid(values[:, 2:4])) ** 2 * anchors[which]
    return _corners(centre, sides), _sigmoid(values[:, 4:5]) * _sigmoid(values[:, 5:])


def _scale(
    params: Mapping[str, Any], shape: tuple[int, ...], size: tuple[int, int]
) -> tuple[np.float32, Floats]:
    """Stride and anchors [A, 2] of the head whose map has this shape."""
    strides = [int(stride) for stride in params["strides"]]
    stride = size[0] // shape[2]
    if stride not in strides or (size[0] // stride, size[1] // stride) != tuple(shape[2:]):
        raise RuntimeError(f"a head of {list(shape)} fits none of the strides {strides}")
    pairs = np.asarray(params["anchor"], np.float32).reshape(len(strides), -1, 2)
    return np.float32(stride), pairs[strides.index(stride)]


def _suppress(
    boxes: Floats, scores: Floats, conf: float, iou: float
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Labels, scores and boxes of the best ROWS detections, sorted by score."""
    which, label = np.nonzero(scores > conf)
    values = scores[which, label]
    order = np.argsort(-values, kind="stable")[:CANDIDATES]
    which, label, values = which[order], label[order], values[order]
    kept = [_greedy(boxes[which], np.nonzero(label == one)[0], iou) for one in np.unique(label)]
    best = np.sort(np.concatenate(kept))[:ROWS] if kept else np.empty(0, np.int64)
    return label[best], values[best], boxes[which[best]]


def _greedy(boxes: Floats, rows: NDArray[np.int64], iou: float) -> NDArray[np.int64]:
    """The rows that stay, of rows in order of score."""
    kept: list[Any] = []
    x1, y1, x2, y2 = boxes.T
    area = (x2 - x1) * (y2 - y1)
    while len(rows) and len(kept) < ROWS:
        first, rows = rows[0], rows[1:]
        kept.append(first)
        width = np.minimum(x2[first], x2[rows]) - np.maximum(x1[first], x1[rows])
        height = np.minimum(y2[first], y2[rows]) - np.maximum(y1[first], y1[rows])
        common = np.maximum(width, 0) * np.maximum(height, 0)
        rows = rows[common / (area[first] + area[rows] - common) <= iou]
    return np.asarray(kept, np.int64)


def _corners(centre: Floats, sides: Floats) -> Floats:
    return np.concatenate([centre - sides / 2, centre + sides / 2], axis=1)


def _sigmoid(values: Floats) -> Floats:
    return np.float32(1) / (np.float32(1) + np.exp(-values))
