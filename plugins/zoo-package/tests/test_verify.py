"""What verify.py says of a result."""

from __future__ import annotations

import numpy as np
from zoo_package.verify import told

from zoo_core.vision.agreement import agreement


def test_detections_are_counted() -> None:
    one = {
        "boxes": np.array([[0, 0, 9, 9]], np.float32),
        "scores": np.array([0.9], np.float32),
        "labels": np.array([1]),
    }
    moved = {**one, "boxes": one["boxes"] + np.float32(0.5)}

    assert told(agreement(one, one)).startswith("equal: 1 of 1 detections found again among 1, ")
    assert told(agreement(one, moved)) == (
        "within tolerance: 1 of 1 detections found again among 1, "
        "boxes within 0.5 px, scores within 0"
    )


def test_numbers_are_told_for_other_tasks() -> None:
    one = {"scores": np.array([0.5], np.float32)}
    other = {"scores": np.array([0.504], np.float32)}

    assert told(agreement(one, other)) == "within tolerance: numbers within 0.004"
    assert told(agreement(one, {})) == "different: numbers within inf"
