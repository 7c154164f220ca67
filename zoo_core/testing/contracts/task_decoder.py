"""The contract of a decoder of any task: pure, and candidates that can be stored."""

from __future__ import annotations

from itertools import cycle
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo_core.errors import ZooError
from zoo_core.testing.contracts.arrays import (
    check_finite,
    check_storable,
    copied,
    frozen,
    same,
)
from zoo_core.testing.contracts.base import Contract
from zoo_core.testing.contracts.checks import hinted_refusal, must, with_wrong_key
from zoo_core.testing.contracts.geometries import geometries
from zoo_core.vision.geometry import Geometry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode, Decoder

_FLOOR = 0.05
_EXTREMES = (-1e30, -1e4, 0.0, 1e4, 1e30)


class TaskDecoderContract(Contract):
    """What a decoder of any task keeps. Subclass it, set `plugin`, `name` and `task`.

    `params` are a card's `decoder_params`; `size` is the network's (height, width); `classes` the
    number of labels. Override `outputs`. For detection there is `DecoderContract`, which knows
    boxes too.
    """

    kind: ClassVar[str] = "decoder"
    task: str
    params: Mapping[str, Any] = MappingProxyType({})
    size: tuple[int, int] = (96, 128)
    classes: int = 3

    def outputs(self) -> Sequence[Arrays]:
        """Outputs of two images or more (no batch axis, in the graph's order), no two alike."""
        raise NotImplementedError(f"{type(self).__name__}.outputs: say how outputs look")

    def test_its_task_is_the_one_said(self) -> None:
        """The word that its cards, data sets and evaluators use."""
        must(self._decoder().task == self.task, f"its task is '{self._decoder().task}'")

    def test_it_is_pure(self) -> None:
        """Outputs are left as they are, and twice the same gives the same."""
        decode = self._bind()
        for outputs, geometry in self._images():
            before = copied(outputs)
            first, second = copied(decode(outputs, geometry)), decode(outputs, geometry)
            for name, array in before.items():
                must(np.array_equal(array, outputs[name]), f"it changes the output '{name}'")
            must(same(first, second), "decoding the same outputs twice gives two results")

    def test_outputs_that_may_not_be_written_are_taken(self) -> None:
        """As they come from a store or a device."""
        decode = self._bind()
        for outputs, geometry in self._images():
            try:
                decode(frozen(outputs), geometry)
            except ValueError as error:
                raise AssertionError(f"it writes into its inputs: {error}") from error

    def test_the_order_in_a_batch_does_not_matter(self) -> None:
        """One image's candidates do not depend on those decoded before it."""
        images = list(self._images())
        names = list(images[0][0])
        batch = {name: np.stack([outputs[name] for outputs, _ in images]) for name in names}

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
        """Candidates stay finite, whatever the network says."""
        like = self.outputs()[0]
        for value in _EXTREMES:
            outputs = {name: _filled(array, value) for name, array in like.items()}
            try:
                candidates = self._bind()(outputs, Geometry.identity(self.size))
            except (ArithmeticError, ValueError, Warning, ZooError) as error:
                raise AssertionError(f"outputs of {value:g} break it: {error!r}") from error
            check_finite(candidates, f"outputs of {value:g}")

    def test_candidates_can_be_stored(self, tmp_path: Path) -> None:
        """Arrays of plain dtypes, with the same names and dtypes for every image."""
        decode = self._bind()
        rows = [decode(outputs, geometry) for outputs, geometry in self._images()]
        check_storable(rows, tmp_path, "candidates")

    def test_wrong_params_are_refused(self) -> None:
        """An unknown key of `decoder_params` is a UsageError with a hint."""
        params, wrong = with_wrong_key(self.params)
        hinted_refusal(
            lambda: self._decoder().bind(params, self.classes, _FLOOR),
            wrong,
            f"decoder_params.{wrong}",
        )

    def _decoder(self) -> Decoder:
        return self._plugins().decoder(self.name)

    def _bind(self) -> Decode:
        return self._decoder().bind(self.params, self.classes, _FLOOR)

    def _images(self) -> Iterable[tuple[Arrays, Geometry]]:
        """Outputs, and how their image lies in the network's input."""
        return zip(self.outputs(), cycle(geometries(self.size)), strict=False)


def _filled(array: NDArray[Any], value: float) -> NDArray[Any]:
    """An array like this one, full of the value as far as its floats go; whole numbers stay."""
    if array.dtype.kind != "f":
        return array
    most = float(np.finfo(array.dtype).max)
    return np.full_like(array, min(max(value, -most), most))
