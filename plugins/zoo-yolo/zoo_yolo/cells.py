"""Outputs with one prediction for each cell of some maps, decoded by the file or raw."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError, UsageError
from zoo_core.toolkit.detection import Candidates
from zoo_core.toolkit.detection.decoding import cell_grid, shapes_told, sigmoid, softmax, strides_of
from zoo_core.toolkit.detection.detections import Pairs
from zoo_yolo.outlines import STRIDES, cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays
    from zoo_core.vision import Geometry

    Floats = NDArray[np.float32]

_SIDES = 4
_MAP = 3
KEYS = ("strides", "object", "output", "scores_first")
_NEXT = "check the labels (the card's, or those of --names), the size and the strides"


@dataclass(frozen=True, slots=True)
class Cells:
    """Predictions of one image: `scores` [N, C] in 0..1, `extras` [N, E] as the network gives them.

    `sides` [N, 4] are centre, width and height in network pixels where `grid` is None. Else they
    are raw, [N, 4 * bins], and `grid` [N, 3] holds each cell's column, row and stride.
    """

    scores: Floats
    sides: Floats
    extras: Floats
    grid: Floats | None

    def above(self, floor: float) -> NDArray[np.intp]:
        """The rows with a score above the floor."""
        return np.flatnonzero((self.scores > np.float32(floor)).any(axis=1))

    def distances(self, rows: NDArray[np.intp]) -> Floats:
        """Left, top, right, bottom of raw rows in cells, from the middle of the cell, [n, 4].

        Each is the mean of its bins' numbers 0, 1, 2 ..., weighted by their softmax (Li et al.,
        "Generalized Focal Loss", 2020); of one bin it is the value itself.
        """
        raw = self.sides[rows].reshape(len(rows), _SIDES, self.sides.shape[1] // _SIDES)
        if raw.shape[2] == 1:
            return raw[:, :, 0]
        return np.asarray(softmax(raw) @ np.arange(raw.shape[2], dtype=np.float32))

    def boxes(self, rows: NDArray[np.intp]) -> Floats:
        """The boxes xyxy of some rows, in network pixels, [n, 4]."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.grid is None:
                middle, half = self.sides[rows, :2], self.sides[rows, 2:] / 2
                return np.concatenate([middle - half, middle + half], axis=1)
            cell, stride = self.grid[rows, :2] + np.float32(0.5), self.grid[rows, 2:]
            far = self.distances(rows)
            return np.concatenate([cell - far[:, :2], cell + far[:, 2:]], axis=1) * stride

    def candidates(self, floor: float, geometry: Geometry) -> Candidates:
        """What scores above the floor, in the image's pixels."""
        rows = self.above(floor)
        pairs = Pairs.above(self.scores[rows], floor)
        placed = geometry.to_image(self.boxes(rows))
        return Candidates.from_pairs(placed, pairs, floor, geometry.source, anchor=rows)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a network's outputs are laid out.

    `strides` are those of its maps. Each row has 4 sides, an object score where `has_object`, a
    score for each of `classes`, and `extras` further values. `output` names the output to take.
    `scores_first` is for raw maps with the classes before the sides.
    """

    name: str
    classes: int
    extras: int = 0
    strides: tuple[int, ...] = STRIDES[0]
    has_object: bool = False
    output: str | None = None
    scores_first: bool = False

    @classmethod
    def from_params(
        cls, name: str, params: Mapping[str, Any], classes: int, extras: int = 0
    ) -> Layout:
        """From a card's `decoder_params` `KEYS`; raises `UsageError` for wrong values."""
        where = "decoder_params"
        strides, output = strides_of(params, STRIDES[0]), params.get("output")
        flags = {key: params.get(key, False) for key in ("object", "scores_first")}
        for key, value in flags.items():
            if type(value) is not bool:
                raise UsageError(f"{key} must be true or false, is {value!r}", where=where)
        if not isinstance(output, str | None):
            raise UsageError(f"output must be a name, is {output!r}", where=where)
        has_object, scores_first = flags.values()
        return cls(name, classes, extras, strides, has_object, output, scores_first)

    @property
    def width(self) -> int:
        """How many values a decoded row has."""
        return _SIDES + self.has_object + self.classes + self.extras

    def fits(self, shape: tuple[int, ...], network: tuple[int, int]) -> bool:
        """Whether an output of this shape holds decoded rows."""
        count = cells(network, self.strides)
        return shape in ((self.width, count), (count, self.width))

    def read(self, outputs: Arrays, network: tuple[int, int]) -> Cells:
        """The cells of one image's outputs, without the batch axis, in any order.

        One output [width, N] or [N, width] is decoded: its boxes are centre, width and height in
        pixels, its scores are sigmoids. Else there is for each stride one raw map [4 * bins +
        classes + extras, h, w], or maps [4 * bins], [classes] and [extras]. Rows go stride by
        stride, then row by row. Raises `StageError` where no single output fits.
        """
        taken = self._taken(outputs)
        if all(array.ndim == _MAP for array in taken.values()):
            found = list(self._maps(taken, network))
            if all(found):
                return self._raw(found, cell_grid(network, self.strides))
        return self._decoded(self._rows(taken, network))

    def _taken(self, outputs: Arrays) -> Arrays:
        if self.output is None:
            return outputs
        if self.output not in outputs:
            raise self._error(f"there is no output '{self.output}'", outputs)
        return {self.output: outputs[self.output]}

    def _rows(self, outputs: Arrays, network: tuple[int, int]) -> Floats:
        found = [each for each in outputs.values() if self.fits(each.shape, network)]
        count = cells(network, self.strides)
        if len(found) != 1:
            shape = f"[{self._text()}, {count} cells]"
            more = ", nor are there raw maps" if not found else ""
            what = f"no single output is {shape} or its transpose{more}"
            step = "write output: NAME in the card's decoder_params" if found else _NEXT
            raise self._error(what, outputs, step)
        rows = found[0] if found[0].shape == (count, self.width) else found[0].T
        return np.asarray(rows, np.float32)

    def _decoded(self, rows: Floats) -> Cells:
        start = _SIDES + self.has_object
        stop = start + self.classes
        scores = rows[:, start:stop]
        if self.has_object:
            with np.errstate(over="ignore", invalid="ignore"):
                scores = rows[:, _SIDES:start] * scores
        # Sigmoids end at 1; what an integer network rounds beyond that is not a score.
        return Cells(np.clip(scores, 0, 1), rows[:, :_SIDES], rows[:, stop:], None)

    def _maps(self, outputs: Arrays, network: tuple[int, int]) -> Iterator[list[Floats]]:
        """For each stride its map in parts: sides, classes, extras; empty where none fits."""
        for stride in self.strides:
            size = (-(-network[0] // stride), -(-network[1] // stride))
            fit = [array for array in outputs.values() if array.shape[1:] == size]
            yield self._parts(fit)

    def _parts(self, maps: list[NDArray[Any]]) -> list[Floats]:
        tail = [self.classes, self.extras] if self.extras else [self.classes]
        if len(maps) == 1:
            sides = len(maps[0]) - sum(tail)
            if sides > 0 and sides % _SIDES == 0:
                sizes = [self.classes, sides] if self.scores_first else [sides, self.classes]
                first, second, *rest = np.split(maps[0], np.cumsum([*sizes, *tail[1:]])[:-1])
                swapped = [second, first] if self.scores_first else [first, second]
                return [_flat(part) for part in (*swapped, *rest)]
        for order in permutations(maps):
            sizes = [len(part) for part in order]
            if sizes[1:] == tail and sizes[0] % _SIDES == 0:
                return [_flat(part) for part in order]
        return []

    def _raw(self, found: list[list[Floats]], places: Floats) -> Cells:
        parts = [np.concatenate(rows) for rows in zip(*found, strict=True)]
        scores = sigmoid(parts[1])
        extras = parts[2] if self.extras else np.zeros((len(scores), 0), np.float32)
        return Cells(scores, parts[0], extras, places)

    def _text(self) -> str:
        parts = ["4 sides"]
        parts += ["object"] if self.has_object else []
        parts += [f"{self.classes} classes"]
        parts += [f"{self.extras} more"] if self.extras else []
        return " + ".join(parts)

    def _error(self, what: str, outputs: Arrays, step: str = _NEXT) -> StageError:
        told = f"{what}: {shapes_told(outputs)}"
        return StageError(told, where=f"decoder {self.name}", next=step)


def _flat(part: NDArray[Any]) -> Floats:
    """A map [c, h, w] as rows [h * w, c]."""
    return np.asarray(part, np.float32).reshape(len(part), -1).T
