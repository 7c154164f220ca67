"""The sample scenes: pictures drawn from a seed, with the true boxes of what can be seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo_sample.draws import Draws
from zoo_sample.ground import draw_bars, draw_ground, weather
from zoo_sample.sprites import DRAWINGS, draw_sprite

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLITS = {
    "train": range(0, 1_000_000),
    "calibration": range(1_000_000, 1_100_000),
    "evaluation": range(2_000_000, 2_100_000),
}
"""The seeds of each split; no seed is in two."""

SMALLEST, LARGEST = 28, 190
"""Lengths in pixels of the longer side of a thing, for a scene whose shorter side is 416."""

_LENGTHS = [round(SMALLEST * (LARGEST / SMALLEST) ** (k / 63)) for k in range(64)]
_LEAST_VISIBLE = 45
_ONE = 1 << 16


@dataclass(frozen=True)
class Cutout:
    """A turned and scaled thing: sums of four RGB samples, and how many of the four it covers."""

    sums: NDArray[np.int32]
    cover: NDArray[np.int32]


@dataclass(frozen=True)
class Visible:
    """What can be seen of a thing: bool [h, w] whose first pixel is at `row`, `column`."""

    row: int
    column: int
    mask: NDArray[np.bool_]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The box around it, x1, y1, x2, y2 (x2, y2 excluded)."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return (
            self.column + int(columns[0]),
            self.row + int(rows[0]),
            self.column + int(columns[-1]) + 1,
            self.row + int(rows[-1]) + 1,
        )


def draw_scene(
    seed: int, size: int | tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    """Draw a scene of `size` (side, or height and width) pixels from its seed alone.

    Returns the image, RGB uint8 [H, W, 3]; the boxes of the visible parts, float32 [n, 4] as
    x1, y1, x2, y2 in pixels (x2, y2 excluded); and the COCO-80 indices, int64 [n]. Things are
    at least 45 % visible.
    """
    image, boxes, labels, _ = draw_masked_scene(seed, size)
    return image, boxes, labels


def draw_masked_scene(
    seed: int, size: int | tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64], list[Visible]]:
    """What `draw_scene` returns, and what can be seen of each thing."""
    height, width = (size, size) if isinstance(size, int) else size
    draws = Draws(seed)
    image = draw_ground(height, width, draws).astype(np.int32)
    bars, hidden = draw_bars(height, width, draws)
    taken = hidden.astype(bool)
    placed: list[tuple[Cutout, int, int]] = []
    seen: list[Visible] = []
    labels: list[int] = []
    for _ in range(draws.one([2, 3, 4, 4, 5, 5, 6, 7, 8, 10])):
        kind = draws.below(len(DRAWINGS))
        cutout = _cut(kind, min(height, width), draws)
        spot = _find_spot(cutout, taken, draws)
        if spot is not None:
            placed.append((cutout, spot[0], spot[1]))
            seen.append(spot[2])
            labels.append(DRAWINGS[kind][0])
    for cutout, x, y in reversed(placed):
        _paint(image, cutout, x, y)
    picture = np.where(hidden[..., None] > 0, bars, image.astype(np.uint8))
    return (
        weather(picture, draws),
        np.array([part.box for part in seen], np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        seen,
    )


def _cut(kind: int, side: int, draws: Draws) -> Cutout:
    """Draw a thing, then turn and scale it in whole numbers, four samples to a pixel."""
    picture, mask = draw_sprite(kind, draws)
    length = max(draws.one(_LENGTHS) * side // 416, 6)
    turn = draws.between(-DRAWINGS[kind][1], DRAWINGS[kind][1])
    high, wide = mask.shape
    step = max(high, wide) * _ONE // (2 * length)
    squeeze = draws.between(86, 116)
    cosine = round(math.cos(math.radians(turn)) * _ONE)
    sine = round(math.sin(math.radians(turn)) * _ONE)
    rows = _span(abs(sine) * wide * squeeze // 100, abs(cosine) * high * 100 // squeeze, step)
    columns = _span(abs(cosine) * wide * squeeze // 100, abs(sine) * high * 100 // squeeze, step)
    u = ((cosine * columns)[None, :] + (sine * rows)[:, None]) >> 16
    v = ((cosine * rows)[:, None] - (sine * columns)[None, :]) >> 16
    u = (u * (step * 100 // squeeze) >> 17) + wide // 2
    v = (v * (step * squeeze // 100) >> 17) + high // 2
    inside = (u >= 0) & (u < wide) & (v >= 0) & (v < high)
    samples = np.concatenate([picture, mask[..., None]], 2) * mask[..., None]
    packed = samples.view(np.uint32).reshape(-1)
    pixels = packed[(v * wide + u) * inside] * inside
    quads = _quads(pixels.view(np.uint8).reshape(*inside.shape, 4))
    return _trim(quads[..., :3], quads[..., 3])


def _span(first: int, second: int, step: int) -> NDArray[np.int32]:
    """List the odd sample positions, in half samples, that a turned thing can reach.

    The two parts of its side come times 2**16; the span has a margin and a multiple of four
    positions, so that blocks of two by two always start at the same sample.
    """
    reach = (first + second) // step + 16
    quarter = reach // 4 + 1
    return 2 * np.arange(4 * quarter, dtype=np.int32) + 1 - 4 * quarter


def _quads(samples: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Add up blocks of two by two samples, [2 h, 2 w, C] to [h, w, C]."""
    rows = samples[0::2].astype(np.uint16) + samples[1::2]
    return (rows[:, 0::2] + rows[:, 1::2]).astype(np.int32)


def _trim(sums: NDArray[np.int32], cover: NDArray[np.int32]) -> Cutout:
    rows = np.flatnonzero((cover >= 2).any(1))
    columns = np.flatnonzero((cover >= 2).any(0))
    cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Cutout(sums[cut], cover[cut])


def _find_spot(
    cutout: Cutout, taken: NDArray[np.bool_], draws: Draws
) -> tuple[int, int, Visible] | None:
    """Find a place where enough shows behind what is there, and take it."""
    height, width = taken.shape
    high, wide = cutout.cover.shape
    solid = cutout.cover >= 2
    total = int(solid.sum())
    for _ in range(8):
        x = draws.between(-wide // 4, width - wide + wide // 4)
        y = draws.between(-high // 4, height - high + high // 4)
        left, top = max(x, 0), max(y, 0)
        area = np.s_[top : min(y + high, height), left : min(x + wide, width)]
        part = solid[top - y : area[0].stop - y, left - x : area[1].stop - x]
        visible = part & ~taken[area]
        if int(visible.sum()) * 100 < total * _LEAST_VISIBLE:
            continue
        taken[area] |= part
        return x, y, Visible(top, left, visible)
    return None


def _paint(image: NDArray[np.int32], cutout: Cutout, x: int, y: int) -> None:
    """Lay a thing over the image; its edges mix with what is behind."""
    height, width = image.shape[:2]
    high, wide = cutout.cover.shape
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + wide, width), min(y + high, height)
    part = np.s_[top - y : bottom - y, left - x : right - x]
    behind = image[top:bottom, left:right]
    behind[:] = (cutout.sums[part] + behind * (4 - cutout.cover[part])[..., None] + 2) // 4
