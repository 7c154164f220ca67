"""Predictions as COCO counts them, and as files: one COCO JSON, and one text per image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from zoo_coco.names import coco_spelling
from zoo_core.toolkit.detection import Detections
from zoo_core.toolkit.detection_txt import one_line, to_line, write_lines
from zoo_core.toolkit.files import text_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Prediction, Predictions
    from zoo_core.toolkit.coco import CategoryId

    Floats = NDArray[np.float64]

JSON_FILE = "predictions.json"
TEXT_FOLDER = "txt"

_BOX_DIGITS, _SCORE_DIGITS = 4, 8
"""Decimals in files: as fine as float32 pixels and scores are, so nothing measurable is lost."""


def corners(arrays: Arrays) -> tuple[Floats, Floats]:
    """One image's boxes float64 [n, 4] xyxy and scores float64 [n], rounded as in files.

    Scores are computed from these same values, so whoever evaluates the written JSON or text gets
    the same figures to the last bit.
    """
    found = Detections.from_arrays(arrays)
    boxes, scores = found.boxes.astype(np.float64), found.scores.astype(np.float64)
    return boxes.round(_BOX_DIGITS), scores.round(_SCORE_DIGITS)


def as_xywh(boxes: Floats) -> Floats:
    """Boxes float64 [n, 4] as x, y, width, height, rounded as in files."""
    sides = (boxes[:, 2:] - boxes[:, :2]).round(_BOX_DIGITS)
    return np.concatenate([boxes[:, :2], sides], axis=1)


def write_results(
    predictions: Predictions, categories: Mapping[int, CategoryId], path: Path
) -> None:
    """Write COCO's results form, image by image; `categories` maps a label index to its id.

    Labels without a category are left out: COCO's form cannot say them.
    """
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        separator = "[\n"
        for prediction in predictions:
            for row in _rows(prediction, categories):
                stream.write(separator + row)
                separator = ",\n"
        stream.write("[]\n" if separator == "[\n" else "\n]\n")


def write_texts(predictions: Predictions, labels: Sequence[str], folder: Path) -> None:
    """Write one text per image, in COCO's spelling; see `zoo_core.toolkit.detection_txt`."""
    folder.mkdir()
    spelled = [one_line(label) for label in coco_spelling(labels)]
    names = text_names([prediction.sample.name for prediction in predictions])
    for name, prediction in zip(names, predictions, strict=True):
        write_lines(folder / name, _lines(prediction.arrays, spelled))


def _rows(prediction: Prediction, categories: Mapping[int, CategoryId]) -> Iterator[str]:
    image = json.dumps(prediction.sample.id)
    boxes, scores = corners(prediction.arrays)
    labels = prediction.arrays["labels"].tolist()
    rows = zip(labels, as_xywh(boxes).tolist(), scores.tolist(), strict=True)
    for label, (x, y, width, height), score in rows:
        if label in categories:
            yield (
                f'{{"image_id": {image}, "category_id": {json.dumps(categories[label])}, '
                f'"bbox": [{x!r}, {y!r}, {width!r}, {height!r}], "score": {score!r}}}'
            )


def _lines(arrays: Arrays, labels: Sequence[str]) -> Iterator[str]:
    boxes, scores = corners(arrays)
    names = [labels[label] for label in arrays["labels"].tolist()]
    return map(to_line, names, scores.tolist(), boxes.tolist())
