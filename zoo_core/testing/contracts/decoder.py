"""The contracts of decoders: pure, candidates that can be stored, boxes where they belong."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import cycle
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo_core.api import FileOutline, RecognisesOutputs, TensorSpec
from zoo_core.errors import StageError, ZooError
from zoo_core.testing.contracts.arrays import check_pure, check_storable, copied, same
from zoo_core.testing.contracts.base import TaskContract
from zoo_core.testing.contracts.checks import hinted_refusal, must, with_wrong_key
from zoo_core.testing.examples import Box
from zoo_core.toolkit.detection import Candidates
from zoo_core.vision import Preprocess
from zoo_core.vision.geometry import Geometry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode

_FLOOR = 0.05
_SOURCES = ((480, 640), (33, 57), (101, 7), (1, 1))
_ODD_SHAPES = ((), (1,), ("a", "b"), (1, "n", 6), (0, 0, 0), (1, 1 << 40, 84), (1, 3, 2, 2, 1))
_EXTREMES = (-1e30, -1e4, 0.0, 1e4, 1e30)


class TaskDecoderContract(TaskContract):
    """What a decoder of any task keeps. Subclass it, set `plugin`, `name` and `task`.

    `params` are a card's `decoder_params`; `size` is the network's (height, width); `classes` the
    number of labels. Override `outputs`. For detection there is `DecoderContract`, which knows
    boxes too.
    """

    kind: ClassVar[str] = "decoder"
    params: Mapping[str, Any] = MappingProxyType({})
    size: tuple[int, int] = (96, 128)
    classes: int = 3

    def outputs(self) -> Sequence[Arrays]:
        """Outputs of two images or more (no batch axis, in the graph's order), no two alike."""
        raise NotImplementedError(f"{type(self).__name__}.outputs: say how outputs look")

    def test_it_is_pure(self) -> None:
        """Outputs are left as they are, and twice the same gives the same."""
        decode = self._bind()
        for outputs, geometry in self._images():
            check_pure(decode, outputs, "decoding", geometry)

    def test_outputs_that_may_not_be_written_are_taken(self) -> None:
        """As they come from a store or a device."""
        decode = self._bind()
        for outputs, geometry in self._images():
            fixed = copied(outputs)
            for array in fixed.values():
                array.flags.writeable = False
            try:
                decode(fixed, geometry)
            except ValueError as error:
                raise AssertionError(f"it writes into its inputs: {error}") from error

    def test_the_order_in_a_batch_does_not_matter(self) -> None:
        """One image's candidates do not depend on those decoded before it."""
        images = list(self._images())
        batch = {n: np.stack([outputs[n] for outputs, _ in images]) for n in images[0][0]}

        def decoded(rows: Iterable[int]) -> dict[int, Arrays]:
            decode = self._bind()
            return {
                row: copied(decode({n: array[row] for n, array in batch.items()}, images[row][1]))
                for row in rows
            }

        rows = range(len(images))
        forward, backward = decoded(rows), decoded(reversed(rows))
        alike = all(same(forward[row], backward[row]) for row in rows)
        must(alike, "an image's candidates depend on the order in the batch")

    def test_images_are_told_apart(self) -> None:
        """Outputs that differ do not all give the same candidates."""
        decode, place = self._bind(), Geometry.identity(self.size)
        first, *others = [copied(decode(outputs, place)) for outputs in self.outputs()]
        must(others, "there must be outputs of two images or more")
        differ = any(not same(first, other) for other in others)
        must(differ, "all outputs give the same candidates")

    def test_extreme_outputs_do_not_break_it(self) -> None:
        """Candidates stay finite, whatever the network says, or a StageError tells it."""
        like = self.outputs()[0]
        for value in _EXTREMES:
            outputs = {name: _filled(array, value) for name, array in like.items()}
            try:
                candidates = self._bind()(outputs, Geometry.identity(self.size))
            except StageError as error:
                told = bool(error.where and error.next)
                must(told, f"outputs of {value:g} break it: {error!r} has no place or next step")
                continue
            except (ArithmeticError, ValueError, Warning, ZooError) as error:
                raise AssertionError(f"outputs of {value:g} break it: {error!r}") from error
            for name, array in candidates.items():
                finite = array.dtype.kind != "f" or np.isfinite(array).all()
                must(finite, f"outputs of {value:g} give '{name}' that is not finite")

    def test_candidates_can_be_stored(self, tmp_path: Path) -> None:
        """Arrays of plain dtypes, with the same names and dtypes for every image."""
        decode = self._bind()
        rows = [decode(outputs, geometry) for outputs, geometry in self._images()]
        check_storable(rows, tmp_path, "candidates")

    def test_wrong_params_are_refused(self) -> None:
        """An unknown key of `decoder_params` is a UsageError with a hint."""
        params, wrong = with_wrong_key(self.params)
        call = partial(self._provider().bind, params, self.classes, _FLOOR)
        hinted_refusal(call, wrong, f"decoder_params.{wrong}")

    def test_it_recognises_no_file_that_it_cannot_decode(self) -> None:
        """Whatever a file holds, the answer is None or parameters that bind takes."""
        decoder: Any = self._provider()
        told: object = decoder
        if not isinstance(told, RecognisesOutputs):
            return
        own = tuple(
            TensorSpec(name=name, shape=("batch", *array.shape), dtype=array.dtype.name)
            for name, array in self.outputs()[0].items()
        )
        for outputs in (own, own[:1], (), *((TensorSpec(name="o", shape=s),) for s in _ODD_SHAPES)):
            outline = FileOutline(inputs=(), outputs=outputs, size=self.size)
            for metadata in ({}, {"names": "[", "stride": "x", "task": "", "description": "\0"}):
                found = decoder.recognise(replace(outline, metadata=metadata))
                if found is not None:
                    decoder.bind(found.params, found.classes, _FLOOR)
                    Preprocess.from_data(found.preprocess, where="recognise: preprocess")
                    must(found.why and found.classes > 0, "it does not say why, or no classes")

    def _bind(self, floor: float = _FLOOR) -> Decode:
        decode: Decode = self._provider().bind(self.params, self.classes, floor)
        return decode

    def _images(self) -> Iterable[tuple[Arrays, Geometry]]:
        """Outputs, and how their image lies in the network's input."""
        return zip(self.outputs(), cycle(geometries(self.size)), strict=False)


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
            place = Geometry.identity(self.size)
            candidates = self._decoded(self._bind(floor), self.encode(self.boxes()), place)
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
        size = geometry.source
        must(candidates.size == size, f"its size is {candidates.size}, not {size}")
        return candidates


def geometries(network: tuple[int, int]) -> Iterator[Geometry]:
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


def _filled(array: NDArray[Any], value: float) -> NDArray[Any]:
    """An array like this one, full of the value as far as its floats go; whole numbers stay."""
    if array.dtype.kind != "f":
        return array
    most = float(np.finfo(array.dtype).max)
    return np.full_like(array, min(max(value, -most), most))


def _check_box(candidates: Candidates, box: Box, geometry: Geometry, tolerance: float) -> None:
    height, width = geometry.source
    where = f"a box of an image {width} x {height}"
    must(len(candidates), f"{where} is not detected")
    best = int(candidates.score.argmax())
    must(candidates.label[best] == box.label, f"{where} gets label {candidates.label[best]}")
    actual = candidates.boxes[candidates.box[best]]
    expected = geometry.to_image(np.array([box.xyxy]))[0]
    good = (np.abs(actual - expected) * np.array(geometry.scale * 2) <= tolerance).all()
    must(good, f"{where} comes back at {actual.round(2)}, not {expected.round(2)}")
