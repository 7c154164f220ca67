"""How predictions are shown."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from zoo_core.api import Prediction, Sample
from zoo_core.commands.predict import _View, detections
from zoo_core.testing.toy_parts import ToyEvaluator

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_shown_is_above_the_limit_and_seen_as_the_network_saw_it(tmp_path: Path) -> None:
    turned = 3
    block = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, turned, 0, 0)
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8] = 255
    stored = cv2.imencode(".jpg", pixels)[1].tobytes()
    path = tmp_path / "a.jpg"
    marker = b"\xff\xe1" + struct.pack(">H", len(block) + 2)
    path.write_bytes(stored[:2] + marker + block + stored[2:])
    sample = Sample(id=1, name="a.jpg", path=path, size=(16, 24))
    boxes = np.array([[0, 0, 4, 4], [8, 0, 12, 4]], np.float32)
    scores, labels = np.array([0.25, 0.3], np.float32), np.zeros(2, np.int32)
    arrays = {"boxes": boxes, "scores": scores, "labels": labels}
    prediction = Prediction(sample=sample, arrays=arrays)

    views = [_View(ToyEvaluator(), ["red"], 0.25, exif) for exif in (False, True)]

    assert views[0].row(prediction, "").found == 1
    assert views[0].row(prediction, "").told == "red 1"
    unnamed = _View(ToyEvaluator(), [], 0.25, False)
    assert unnamed.row(prediction, "").told == "class 0 1"
    assert [view.picture(prediction)[-1, -1].mean() > 128 for view in views] == [False, True]


def test_detections_may_come_with_further_arrays() -> None:
    arrays = {
        "boxes": np.array([[0, 0, 1, 1], [2, 2, 3, 3]], np.float32),
        "scores": np.array([0.3, 0.9], np.float32),
        "labels": np.array([1, 0], np.int32),
        "dropped": np.array([5]),
    }
    found = detections(arrays, ("red", "blue"), 0.5)
    assert found is not None
    assert found[1] == ("red",)
    assert {name: array.tolist() for name, array in found[0].items()} == {
        "boxes": [[2, 2, 3, 3]],
        "scores": [pytest.approx(0.9)],
        "labels": [0],
    }
    assert detections({"labels": arrays["labels"], "scores": arrays["scores"]}, (), 0.5) is None
