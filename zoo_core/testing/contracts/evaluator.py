"""The contract of a detection evaluator: that of every task, with boxes for truth."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.errors import ZooError
from zoo_core.testing.contracts.checks import must
from zoo_core.testing.contracts.task_evaluator import TaskEvaluatorContract
from zoo_core.toolkit.detection.detections import Candidates, Detections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import Arrays

_TRUTH: tuple[tuple[tuple[tuple[int, int, int, int], int], ...], ...] = (
    (((4, 6, 54, 90), 0), ((70, 10, 150, 110), 1)),
    (((10, 10, 24, 22), 1), ((40, 30, 80, 60), 0), ((90, 60, 158, 118), 0)),
    (((0, 0, 160, 120), 1),),
)
"""Boxes xyxy and labels of three images."""


class EvaluatorContract(TaskEvaluatorContract):
    """What an evaluator of detections keeps. Subclass it, set `plugin` and `name`.

    `values` lets scores above one half through. Override `write_truth` where its truth is not
    COCO's. What else can be set is in `TaskEvaluatorContract`.
    """

    task = "detection"
    metric: str = "AP"

    def write_truth(self, folder: Path) -> Path:
        """Writes the truth of `samples` to a file: boxes of `detections`."""
        rows = [
            {
                "image_id": sample.id,
                "category_id": label + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
            for sample, boxes in zip(self.samples(), _TRUTH, strict=True)
            for (x1, y1, x2, y2), label in boxes
        ]
        height, width = self.size
        data = {
            "images": [
                {"id": s.id, "file_name": s.name, "height": height, "width": width}
                for s in self.samples()
            ],
            "annotations": [{**row, "id": at} for at, row in enumerate(rows, start=1)],
            "categories": [{"id": at, "name": n} for at, n in enumerate(self.labels, start=1)],
        }
        path = folder / "truth.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    def detections(self) -> list[Detections]:
        """The objects in the samples."""
        return [
            Detections(
                boxes=np.array([box for box, _ in boxes], np.float32),
                scores=np.linspace(0.9, 0.7, len(boxes), dtype=np.float32),
                labels=np.array([label for _, label in boxes], np.int32),
            )
            for boxes in _TRUTH
        ]

    def perfect(self) -> Sequence[Arrays]:
        """The detections."""
        return [detections.to_arrays() for detections in self.detections()]

    def nothing(self) -> Sequence[Arrays]:
        """No box in any image."""
        return [Detections.empty().to_arrays() for _ in self.samples()]

    def wrong(self) -> Mapping[str, Sequence[Arrays]]:
        """Labels turned round, and boxes moved away."""
        every = self.detections()
        return {
            "labels": [replace(one, labels=1 - one.labels).to_arrays() for one in every],
            "boxes": [
                replace(one, boxes=one.boxes + np.float32(1000)).to_arrays() for one in every
            ],
        }

    def candidates(self) -> Sequence[Arrays]:
        """One candidate for each detection."""
        rows: list[Arrays] = []
        for one in self.detections():
            table = np.zeros((len(one), len(self.labels)), np.float32)
            table[np.arange(len(one)), one.labels] = one.scores
            rows.append(Candidates.from_dense(one.boxes, table, 0.001, self.size).to_arrays())
        return rows

    def test_postprocessing_keeps_detections(self) -> None:
        """Clear candidates become the detections they are; none become none."""
        for candidates, expected in zip(self.candidates(), self.detections(), strict=True):
            kept = self._detections(candidates)
            must(len(kept) == len(expected), f"{len(kept)} of {len(expected)} are kept")
            must(np.allclose(kept.boxes, expected.boxes, atol=0.01), "boxes are changed")
            must(np.array_equal(kept.labels, expected.labels), "labels are changed")
        nothing = self._detections(Candidates.empty(0.0, self.size).to_arrays())
        must(len(nothing) == 0, f"{len(nothing)} detections out of nothing")

    def test_only_what_scores_enough_is_drawn(self) -> None:
        """Nothing where no score is above `least`."""
        image = self._image()
        drawn = self._evaluator().draw(image, self._drawable(), self.labels, 0.99)
        must((drawn == self._image()).all(), "it draws what scores less")

    def _detections(self, candidates: Arrays) -> Detections:
        try:
            return Detections.from_arrays(self._evaluator().postprocess(candidates, self.values))
        except (ZooError, KeyError) as error:
            raise AssertionError(f"it does not return Detections.to_arrays(): {error}") from error
