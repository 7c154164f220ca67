"""The contract of a detector's decoder: pure, and boxes in the pixels of the image as read."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import ZooError
from zoo_core.testing.contracts.checks import hinted_refusal, must, plugins_of, with_wrong_key
from zoo_core.testing.contracts.isolated import Isolated
from zoo_core.testing.given import Box
from zoo_core.vision.detections import Candidates
from zoo_core.vision.geometry import Geometry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    from zoo_core.nouns import Arrays, Decode, Decoder

_SOURCES = ((480, 640), (33, 57), (101, 7), (1, 1))
_FLOOR = 0.05
_EXTREMES = (-1e30, -1e4, 0.0, 1e4, 1e30)


class DecoderContract(Isolated):
    """What a decoder keeps. Subclass it, set `plugin` and `name`, and say how outputs look.

    `params` are a card's `decoder_params`; `size` is the network's (height, width); `classes` the
    number of labels. `tolerance` is in network pixels. Override `encode`, and `boxes` where the
    default ones cannot be expressed.
    """

    plugin: ModuleType
    name: str
    params: Mapping[str, Any] = MappingProxyType({})
    size: tuple[int, int] = (96, 128)
    classes: int = 3
    tolerance: float = 0.05

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """One image's outputs (no batch axis, in the graph's order) in which only these are found.

        Everywhere else scores are below 0.05.
        """
        raise NotImplementedError(f"{type(self).__name__}.encode: say how outputs look")

    def boxes(self) -> Sequence[Box]:
        """Boxes that the network's outputs can express; no two overlap."""
        height, width = self.size
        left = Box(xyxy=(width / 16, height / 4, width * 3 / 8, height * 3 / 4))
        right = Box(xyxy=(width / 2, height / 8, width * 15 / 16, height * 7 / 8), label=1)
        return left, right

    def test_it_is_a_detection_decoder(self) -> None:
        """Its task is the one whose candidates this contract knows."""
        must(self._decoder().task == "detection", f"its task is '{self._decoder().task}'")

    def test_boxes_come_back_in_image_pixels(self) -> None:
        """Through letterbox, stretch and crop, for odd sizes: one candidate where each box is."""
        decode = self._bind()
        for box in self.boxes():
            outputs = self.encode([box])
            for geometry in _geometries(self.size):
                _check_box(self._decoded(decode, outputs, geometry), box, geometry, self.tolerance)

    def test_every_box_is_found(self) -> None:
        """All of them at once, each with its label."""
        geometry = Geometry.identity(self.size)
        found = self._decoded(self._bind(), self.encode(self.boxes()), geometry)
        labels = sorted({int(label) for label in found.label[found.score > 0.5]})
        expected = sorted({box.label for box in self.boxes()})
        must(labels == expected, f"the labels found are {labels}, not {expected}")

    def test_nothing_found_is_no_failure(self) -> None:
        """Outputs without a box give no candidate."""
        geometry = Geometry.identity(self.size)
        found = self._decoded(self._bind(), self.encode([]), geometry)
        must(len(found) == 0, f"{len(found)} candidates where there is no box")

    def test_candidates_are_above_the_floor(self) -> None:
        """And labels are within the classes; the floor is the one that was given."""
        for floor in (0.0, 0.3, 0.95):
            decode = self._decoder().bind(self.params, self.classes, floor)
            found = self._decoded(decode, self.encode(self.boxes()), Geometry.identity(self.size))
            must(found.floor == floor, f"the floor {floor} is reported as {found.floor}")
            above = bool((found.score > np.float32(floor)).all())
            must(above, f"a candidate scores below the floor {floor}")
            within = bool(((found.label >= 0) & (found.label < self.classes)).all())
            must(within, f"a label is not within the {self.classes} classes")

    def test_it_is_pure(self) -> None:
        """Outputs are left as they are, and twice the same gives the same."""
        decode, outputs = self._bind(), self.encode(self.boxes())
        before = {name: array.copy() for name, array in outputs.items()}
        geometry = next(_geometries(self.size))
        first, second = decode(outputs, geometry), decode(outputs, geometry)
        for name, array in before.items():
            must(np.array_equal(array, outputs[name]), f"it changes the output '{name}'")
        must(_same(first, second), "decoding the same outputs twice gives two results")

    def test_outputs_that_may_not_be_written_are_taken(self) -> None:
        """As they come from a store or a device."""
        outputs = {name: array.copy() for name, array in self.encode(self.boxes()).items()}
        for array in outputs.values():
            array.setflags(write=False)
        try:
            self._bind()(outputs, Geometry.identity(self.size))
        except ValueError as error:
            raise AssertionError(f"it writes into its inputs: {error}") from error

    def test_the_order_in_a_batch_does_not_matter(self) -> None:
        """One image's candidates do not depend on those decoded before it."""
        boxes = self.boxes()
        images = [self.encode([boxes[0]]), self.encode([]), self.encode([boxes[-1]])]
        places = list(_geometries(self.size))[: len(images)]
        batch = {name: np.stack([image[name] for image in images]) for name in images[0]}

        def decoded(rows: Iterable[int]) -> dict[int, Arrays]:
            decode = self._bind()
            return {
                row: decode({name: array[row] for name, array in batch.items()}, places[row])
                for row in rows
            }

        forward, backward = decoded((0, 1, 2)), decoded((2, 1, 0))
        same = all(_same(forward[row], backward[row]) for row in forward)
        must(same, "an image's candidates depend on the order in the batch")

    def test_extreme_outputs_do_not_break_it(self) -> None:
        """Candidates stay finite, whatever the network says."""
        like = self.encode([])
        for value in _EXTREMES:
            outputs = {name: np.full_like(array, value) for name, array in like.items()}
            try:
                found = self._decoded(self._bind(), outputs, Geometry.identity(self.size))
            except (ArithmeticError, ValueError, Warning) as error:
                raise AssertionError(f"outputs of {value:g} break it: {error!r}") from error
            finite = np.isfinite(found.boxes).all() and np.isfinite(found.score).all()
            must(finite, f"outputs of {value:g} give candidates that are not finite")

    def test_wrong_params_are_refused(self) -> None:
        """An unknown key of `decoder_params` is a UsageError with a hint."""
        params, wrong = with_wrong_key(self.params)
        hinted_refusal(
            lambda: self._decoder().bind(params, self.classes, _FLOOR),
            wrong,
            f"decoder_params.{wrong}",
        )

    def _decoder(self) -> Decoder:
        return plugins_of(self.plugin).decoder(self.name)

    def _bind(self) -> Decode:
        return self._decoder().bind(self.params, self.classes, _FLOOR)

    def _decoded(self, decode: Decode, outputs: Arrays, geometry: Geometry) -> Candidates:
        try:
            found = Candidates.from_arrays(decode(outputs, geometry))
        except (ZooError, KeyError) as error:
            raise AssertionError(f"it returns no Candidates.to_arrays(): {error}") from error
        must(found.size == geometry.source, f"its size is {found.size}, not {geometry.source}")
        return found


def _geometries(network: tuple[int, int]) -> Iterator[Geometry]:
    """Letterbox, then stretch, of each source size; then a crop."""
    height, width = network
    for source in _SOURCES:
        rows, columns = source
        share = min(height / rows, width / columns)
        high, wide = max(1, round(rows * share)), max(1, round(columns * share))
        yield Geometry(
            source=source,
            network=network,
            scale=(wide / columns, high / rows),
            offset=(float((width - wide) // 2), float((height - high) // 2)),
        )
        yield Geometry(source=source, network=network, scale=(width / columns, height / rows))
    yield Geometry(source=(height + 9, width + 21), network=network, scale=(1, 1), offset=(-11, -4))


def _check_box(found: Candidates, box: Box, geometry: Geometry, tolerance: float) -> None:
    height, width = geometry.source
    where = f"a box of an image {width} x {height}"
    must(len(found), f"{where} is not found")
    best = int(found.score.argmax())
    must(found.label[best] == box.label, f"{where} gets label {found.label[best]}")
    expected = geometry.to_image(np.array([box.xyxy]))[0]
    difference = np.abs(found.boxes[found.box[best]] - expected) * np.array(geometry.scale * 2)
    good = bool((difference <= tolerance).all())
    place = [round(float(side), 2) for side in found.boxes[found.box[best]]]
    must(good, f"{where} comes back at {place}, not {[round(float(s), 2) for s in expected]}")


def _same(one: Arrays, other: Arrays) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[n], other[n]) for n in one)
