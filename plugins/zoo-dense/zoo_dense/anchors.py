"""Anchor boxes of dense detectors, and how deltas move them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo_core.errors import UsageError, check_known, check_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_WHERE = "decoder_params"
_CLIPS = ("image", "network", "none")
_SCORES = ("logits", "probabilities")
OCTAVES = tuple(tuple(2.0 ** (level + third / 3) for third in range(3)) for level in range(5, 10))
"""Three sides for each of the levels 3 to 7: four strides, and thirds of an octave more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorRules:
    """A card's `decoder_params`, lengths in network pixels.

    Each level of `strides` has an anchor for every ratio (height / width, the slower one) and every
    side of its `sizes`; the area is side * side. Centres lie at (cell + `centre`) * step, where
    the step is the stride, or with `fitted` the whole pixels of network side / cells. `rounded`
    anchors have corners at whole pixels from their centre.

    Deltas are multiplied by `stds`, and `means` added; a side grows by a factor within
    `side_factors`, a centre moves by at most `centre_limit`. With `decoded` the boxes output are
    corners already. `scores` are logits or probabilities; `top` pairs of a level with the highest
    scores are kept. Boxes are clipped before NMS: to the image, or to the network's input (only
    left and top at 0, right and bottom at its end), or not; those without an area then are left
    out. `score_outputs` and `box_outputs` name outputs where shapes do not tell.
    """

    strides: tuple[int, ...] = (8, 16, 32, 64, 128)
    sizes: tuple[tuple[float, ...], ...] = OCTAVES
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    centre: float = 0.0
    fitted: bool = False
    rounded: bool = False
    means: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    stds: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    side_factors: tuple[float, ...] = (0.016, 62.5)
    centre_limit: float | None = None
    decoded: bool = False
    scores: Literal["logits", "probabilities"] = "logits"
    top: int | None = 1000
    clip: Literal["image", "network", "none"] = "image"
    score_outputs: tuple[str, ...] = ()
    box_outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("fitted", "rounded", "decoded"):
            _check(type(getattr(self, name)) is bool, name, getattr(self, name), "true or false")
        counts = all(type(stride) is int and stride > 0 for stride in self.strides)
        counts = counts and 0 < len(self.strides) == len(set(self.strides))
        text = "whole numbers above 0, no two alike"
        _check(counts, "strides", self.strides, text)
        sides = [side for level in self.sizes for side in level]
        fit = len({len(level) for level in self.sizes}) == 1 and len(self.sizes) == len(
            self.strides
        )
        fit = fit and bool(sides) and all(_is_number(side, above=0) for side in sides)
        _check(fit, "sizes", self.sizes, "as many lists of sides as there are strides, all as long")
        good = bool(self.ratios) and all(_is_number(ratio, above=0) for ratio in self.ratios)
        _check(good, "ratios", self.ratios, "numbers above 0")
        for name in ("means", "stds"):
            four = getattr(self, name)
            _check(len(four) == 4 and all(map(_is_number, four)), name, four, "four numbers")
        low_high = len(self.side_factors) == 2 and all(map(_is_number, self.side_factors))
        low_high = low_high and 0 <= self.side_factors[0] < self.side_factors[1]
        _check(low_high, "side_factors", self.side_factors, "a lowest and a highest factor")
        _check(_is_number(self.centre), "centre", self.centre, "a fraction of a cell")
        limit = self.centre_limit is None or _is_number(self.centre_limit, above=0)
        _check(limit, "centre_limit", self.centre_limit, "a number of pixels, or null")
        top = self.top is None or (type(self.top) is int and self.top > 0)
        _check(top, "top", self.top, "a whole number above 0, or null")
        check_one_of(f"{_WHERE} scores", self.scores, _SCORES)
        check_one_of(f"{_WHERE} clip", self.clip, _CLIPS)
        for name in ("score_outputs", "box_outputs"):
            given = getattr(self, name)
            _check(all(isinstance(one, str) for one in given), name, given, "names of outputs")

    @classmethod
    def read(cls, params: Mapping[str, Any], defaults: Mapping[str, Any]) -> AnchorRules:
        """From a card, on top of a family's defaults; raises `UsageError` for what is wrong."""
        check_known(params, [field.name for field in fields(cls)], _WHERE)
        values = {**defaults, **params}
        for name, value in values.items():
            kind = str(cls.__annotations__[name])
            if kind.startswith("tuple"):
                inner = list if "tuple[tuple" in kind else object
                listed = isinstance(value, list | tuple)
                listed = listed and all(isinstance(one, inner | tuple) for one in value)
                _check(listed, name, value, "a list of lists" if inner is list else "a list")
                values[name] = tuple(tuple(one) if isinstance(one, list) else one for one in value)
        return cls(**values)

    @property
    def each(self) -> int:
        """Anchors of a cell."""
        return len(self.ratios) * len(self.sizes[0])

    def grids(self, network: tuple[int, int]) -> list[tuple[int, int]]:
        """Rows and columns of each level's map; a side that a stride does not divide is padded."""
        return [(-(-network[0] // one), -(-network[1] // one)) for one in self.strides]

    def placed(
        self, level: int, row: NDArray[np.intp], grid: tuple[int, int], network: tuple[int, int]
    ) -> Floats:
        """Corners [n, 4] of the anchors of a level; a row is cell * anchors of a cell + anchor."""
        root = np.sqrt(np.asarray(self.ratios, np.float64))[:, None]
        sides = np.asarray(self.sizes[level], np.float64)
        half = np.stack([(sides / root).ravel(), (sides * root).ravel()], axis=1) / 2
        half = np.rint(half.astype(np.float32)) if self.rounded else half
        cell, anchor = np.divmod(row, self.each)
        place = np.stack([cell % grid[1], cell // grid[1]], axis=1) + self.centre
        stride = self.strides[level]
        step = (network[1] // grid[1], network[0] // grid[0]) if self.fitted else (stride, stride)
        middle = place * step
        corners = np.concatenate([middle - half[anchor], middle + half[anchor]], axis=1)
        return corners.astype(np.float32)

    def moved(self, anchors: Floats, deltas: Floats) -> Floats:
        """Corners [n, 4] of anchors moved by deltas dx, dy, dw, dh.

        Centre + d * side, side * exp(d) (Girshick et al., "Rich feature hierarchies", appendix C);
        limits as torchvision's BoxCoder and MMDetection's delta2bbox state them.
        """
        sides = anchors[:, 2:] - anchors[:, :2]
        stds, means = (np.asarray(four, np.float32) for four in (self.stds, self.means))
        wide = deltas * stds + means
        move = wide[:, :2] * sides
        if self.centre_limit is not None:
            move = np.clip(move, -np.float32(self.centre_limit), np.float32(self.centre_limit))
        with np.errstate(divide="ignore"):
            low, high = np.log(np.asarray(self.side_factors, np.float64)).astype(np.float32)
        grown = np.exp(np.clip(wide[:, 2:], low, high)) * sides
        centre = anchors[:, :2] + sides / 2 + move
        return np.concatenate([centre - grown / 2, centre + grown / 2], axis=1)


def _is_number(value: Any, above: float = float("-inf")) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and isfinite(value) and value > above


def _check(good: bool, name: str, value: object, expected: str) -> None:
    if not good:
        raise UsageError(f"{name} must be {expected}, is {value!r}", where=_WHERE)
