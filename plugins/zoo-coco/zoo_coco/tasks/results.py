"""Masks and key points in COCO's form of results, as rows and as a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_coco.results import corners
from zoo_core.toolkit.detection import Instances, OrientedDetections, Poses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from zoo_core.api import Prediction, Predictions

    Rows = Callable[[Prediction], Iterable[dict[str, Any]]]

_DIGITS, _SCORE_DIGITS = 4, 8


def mask_rows(ids: Mapping[int, Any], prediction: Prediction) -> Iterator[dict[str, Any]]:
    """Rows of one image with compressed run lengths; labels without a category are left out."""
    from pycocotools import mask

    found = Instances.from_arrays(prediction.arrays)
    height, width = found.size
    for row, plain in _plain(ids, prediction):
        runs = {"size": [height, width], "counts": found.runs(row).tolist()}
        packed = mask.frPyObjects(runs, height, width)
        shape = {"size": [height, width], "counts": packed["counts"].decode()}
        yield {**plain, "segmentation": shape}


def keypoint_rows(ids: Mapping[int, Any], prediction: Prediction) -> Iterator[dict[str, Any]]:
    """Rows of one image with x, y and certainty of each point."""
    points = Poses.from_arrays(prediction.arrays).keypoints.astype(np.float64).round(_DIGITS)
    for row, plain in _plain(ids, prediction):
        yield {**plain, "keypoints": points[row].ravel().tolist()}


def oriented_rows(ids: Mapping[int, Any], prediction: Prediction) -> Iterator[dict[str, Any]]:
    """Rows of one image with x, y, width, height and angle in radians, as hotcoco reads them."""
    boxes = OrientedDetections.from_arrays(prediction.arrays).oriented.astype(np.float64)
    boxes[:, :4] = boxes[:, :4].round(_DIGITS)
    for row, plain in _plain(ids, prediction):
        yield {**plain, "obb": boxes[row].round(_SCORE_DIGITS).tolist()}


def write_rows(predictions: Predictions, rows: Rows, path: Path) -> None:
    """Write a list of the rows of all images, image by image."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        separator = "[\n"
        for prediction in predictions:
            for row in rows(prediction):
                stream.write(separator + json.dumps(row))
                separator = ",\n"
        stream.write("[]\n" if separator == "[\n" else "\n]\n")


def _plain(ids: Mapping[int, Any], prediction: Prediction) -> Iterator[tuple[int, dict[str, Any]]]:
    """What all rows have; scores are rounded as in the files of boxes."""
    _, scores = corners(prediction.arrays)
    labels = prediction.arrays["labels"].tolist()
    for row, (label, score) in enumerate(zip(labels, scores.tolist(), strict=True)):
        if label in ids:
            image = prediction.sample.id
            yield row, {"image_id": image, "category_id": ids[label], "score": score}
