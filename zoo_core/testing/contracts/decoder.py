"""The contract of a detector's decoder: pure, and boxes in the pixels of the image as read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo_core.errors import ZooError
from zoo_core.testing.contracts.checks import must
from zoo_core.testing.contracts.geometries import geometries
from zoo_core.testing.contracts.task_decoder import TaskDecoderContract
from zoo_core.testing.examples import Box
from zoo_core.toolkit.detection.detections import Candidates
from zoo_core.vision.geometry import Geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Arrays, Decode


class DecoderContract(TaskDecoderContract):
    """What a detector's decoder keeps. Subclass it, set `plugin` and `name`.

    What else can be set is in `TaskDecoderContract`; `tolerance` is in network pixels. Override
    `encode`, and `boxes` where the default ones cannot be expressed.
    """

    task = "detection"
    tolerance: float = 0.05

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """One image's outputs (no batch axis, in the graph's order) in which only these exist.

        Everywhere else scores are below 0.05.
        """
        raise NotImplementedError(f"{type(self).__name__}.encode: say how outputs look")

    def boxes(self) -> Sequence[Box]:
        """Boxes that the network's outputs can express; no two overlap."""
        height, width = self.size
        left = Box(xyxy=(width / 16, height / 4, width * 3 / 8, height * 3 / 4))
        right = Box(xyxy=(width / 2, height / 8, width * 15 / 16, height * 7 / 8), label=1)
        return left, right

    def outputs(self) -> Sequence[Arrays]:
        """All the boxes, the first, none, the last."""
        boxes = self.boxes()
        return [self.encode(chosen) for chosen in (boxes, boxes[:1], (), boxes[-1:])]

    def test_boxes_come_back_in_image_pixels(self) -> None:
        """Through letterbox, stretch and crop, for odd sizes: one candidate where each box is."""
        decode = self._bind()
        for box in self.boxes():
            outputs = self.encode([box])
            for geometry in geometries(self.size):
                _check_box(self._decoded(decode, outputs, geometry), box, geometry, self.tolerance)

    def test_every_box_is_detected(self) -> None:
        """All of them at once, each with its label."""
        geometry = Geometry.identity(self.size)
        every = self._decoded(self._bind(), self.encode(self.boxes()), geometry)
        labels = sorted({int(label) for label in every.label[every.score > 0.5]})
        expected = sorted({box.label for box in self.boxes()})
        must(labels == expected, f"the labels are {labels}, not {expected}")

    def test_outputs_without_a_box_are_decoded(self) -> None:
        """Outputs without a box give no candidate."""
        geometry = Geometry.identity(self.size)
        none = self._decoded(self._bind(), self.encode([]), geometry)
        must(len(none) == 0, f"{len(none)} candidates where there is no box")

    def test_candidates_are_above_the_floor(self) -> None:
        """And labels are within the classes; the floor is the one in the call."""
        for floor in (0.0, 0.3, 0.95):
            decode = self._decoder().bind(self.params, self.classes, floor)
            candidates = self._decoded(
                decode, self.encode(self.boxes()), Geometry.identity(self.size)
            )
            must(candidates.floor == floor, f"the floor {floor} is reported as {candidates.floor}")
            above = bool((candidates.score > np.float32(floor)).all())
            must(above, f"a candidate scores below the floor {floor}")
            within = bool(((candidates.label >= 0) & (candidates.label < self.classes)).all())
            must(within, f"a label is not within the {self.classes} classes")

    def _decoded(self, decode: Decode, outputs: Arrays, geometry: Geometry) -> Candidates:
        try:
            candidates = Candidates.from_arrays(decode(outputs, geometry))
        except (ZooError, KeyError) as error:
            raise AssertionError(f"it does not return Candidates.to_arrays(): {error}") from error
        must(
            candidates.size == geometry.source,
            f"its size is {candidates.size}, not {geometry.source}",
        )
        return candidates


def _check_box(candidates: Candidates, box: Box, geometry: Geometry, tolerance: float) -> None:
    height, width = geometry.source
    where = f"a box of an image {width} x {height}"
    must(len(candidates), f"{where} is not detected")
    best = int(candidates.score.argmax())
    must(candidates.label[best] == box.label, f"{where} gets label {candidates.label[best]}")
    expected = geometry.to_image(np.array([box.xyxy]))[0]
    difference = np.abs(candidates.boxes[candidates.box[best]] - expected) * np.array(
        geometry.scale * 2
    )
    good = bool((difference <= tolerance).all())
    place = [round(float(side), 2) for side in candidates.boxes[candidates.box[best]]]
    must(good, f"{where} comes back at {place}, not {[round(float(s), 2) for s in expected]}")
