"""Average precision of a detector on drawn scenes, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scene_store import SceneStore

    Detector = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]

LEAST_SCORE = 0.001
NMS_IOU = 0.6
MOST_ROWS = 1000
MOST_DETECTIONS = 100
LIMITS = ("AP", "AP50", "AP75", "AP S", "AP M", "AP L")


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Keep the rows that no better row overlaps by more than 0.6 (boxes [n, 4], scores [n])."""
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    keep: list[int] = []
    while order.size:
        first, order = int(order[0]), order[1:]
        keep.append(first)
        low = np.maximum(boxes[first, :2], boxes[order, :2])
        high = np.minimum(boxes[first, 2:], boxes[order, 2:])
        common = np.prod(np.clip(high - low, 0, None), axis=1)
        order = order[common <= NMS_IOU * (areas[first] + areas[order] - common)]
    return np.array(keep, np.int64)


def detections(
    boxes: NDArray[np.float32], confs: NDArray[np.float32], size: int
) -> NDArray[np.float32]:
    """Turn decoded rows of one image into rows x1 y1 x2 y2 score label in pixels.

    `boxes` [n, 1, 4] are parts of the input's side `size`, `confs` is [n, nc]; best class only,
    suppression within a class.
    """
    labels = confs.argmax(1)
    scores = confs[np.arange(len(confs)), labels]
    rows = np.flatnonzero(scores > LEAST_SCORE)
    rows = rows[np.argsort(-scores[rows], kind="stable")][:MOST_ROWS]
    pixels = boxes[rows, 0] * np.float32(size)
    apart = pixels + labels[rows, None].astype(np.float32) * np.float32(4 * size)
    keep = suppress(apart, scores[rows])[:MOST_DETECTIONS]
    parts = [pixels[keep], scores[rows][keep, None], labels[rows][keep, None]]
    return np.concatenate(parts, 1).astype(np.float32)


def find_all(
    detector: Detector, store: SceneStore, count: int, batch: int = 8
) -> list[NDArray[np.float32]]:
    """Run a detector (float32 [B, 3, S, S] in 0..1 to boxes and confs) on the first scenes."""
    found = []
    for start in range(0, count, batch):
        images = store.images[start : min(start + batch, count)]
        blob = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
        boxes, confs = detector(blob)
        pairs = zip(boxes, confs, strict=True)
        found += [detections(b, c, images.shape[1]) for b, c in pairs]
    return found


def average_precision(
    found: list[NDArray[np.float32]], store: SceneStore
) -> tuple[dict[str, float], dict[int, float]]:
    """Score detections against the truth; return six COCO figures and the AP of each label."""
    truth = COCO()
    annotations: list[dict[str, Any]] = []
    for image in range(len(found)):
        for x1, y1, x2, y2, label in store.truth[image].tolist():
            if label >= 0:
                annotations.append(_record(image, int(label), [x1, y1, x2, y2], len(annotations)))
    labels = sorted({a["category_id"] for a in annotations})
    truth.dataset = {
        "images": [{"id": image} for image in range(len(found))],
        "annotations": annotations,
        "categories": [{"id": label} for label in labels],
    }
    results = [
        _record(image, int(row[5]), row[:4].tolist(), 0) | {"score": float(row[4])}
        for image, rows in enumerate(found)
        for row in rows
    ]
    if not results:
        return dict.fromkeys(LIMITS, 0.0), dict.fromkeys(labels, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        scores = COCOeval(truth, truth.loadRes(results), "bbox")
        scores.evaluate()
        scores.accumulate()
        scores.summarize()
    precision = scores.eval["precision"][:, :, :, 0, 2]
    single = {label: float(precision[:, :, k].mean()) for k, label in enumerate(labels)}
    return dict(zip(LIMITS, (float(v) for v in scores.stats[:6]), strict=True)), single


def _record(image: int, label: int, box: list[float], number: int) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    return {
        "id": number + 1,
        "image_id": image,
        "category_id": label,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "iscrowd": 0,
    }
