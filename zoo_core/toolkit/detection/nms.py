"""Exact greedy non-maximum suppression per class, without a table of all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo_core.errors import check_one_of
from zoo_core.vision.geometry import DARKNET_EXPONENT, paired_diou, paired_iou

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

NmsKind = Literal["iou", "diou"]
KINDS = ("iou", "diou")

_PAIRS_AT_ONCE = 1 << 13
_BLOCK = 64
_TILE = 512
_MARGIN = 1e-5


@dataclass(frozen=True, slots=True)
class _Rule:
    threshold: float
    kind: NmsKind
    exponent: float

    def drops(self, a: Floats, b: Floats) -> NDArray[np.bool_]:
        """Whether a would suppress b, given as columns that broadcast; a NaN suppresses."""
        threshold = np.float32(self.threshold)
        if self.kind == "iou":
            return ~(paired_iou(a, b) <= threshold)
        if threshold < 0:
            return paired_diou(a, b, self.exponent) > threshold
        drops = paired_iou(a, b) > threshold
        near = np.nonzero(drops)
        every: tuple[Any, ...] = (slice(None), *near)
        one, other = (np.broadcast_to(c, (4, *drops.shape))[every] for c in (a, b))
        drops[near] = paired_diou(one, other, self.exponent) > threshold
        return drops


def nms(
    boxes: Floats,
    scores: Floats,
    labels: NDArray[Any],
    threshold: float,
    kind: NmsKind = "iou",
    exponent: float = DARKNET_EXPONENT,
) -> NDArray[np.intp]:
    """Indices of the boxes xyxy [n, 4] that survive, by descending score.

    Greedy: the best box of a class drops every other of that class whose overlap with it is above
    `threshold` (equal is kept), then the next best that is left, and so on. Among equal scores the
    earlier box goes first, as in OpenCV, torchvision and pycocotools. `iou` drops at NaN too (two
    boxes without area); `diou` is darknet's `greedynms`, and `diounms` with another `exponent` (see
    `diou`), which does not. Overlaps are computed in float32, in the frame of the boxes given.
    Memory is bounded for any input.
    """
    check_one_of("NMS kind", kind, KINDS)
    order = ranked(scores)
    if len(order) < 2:
        return order
    columns = np.ascontiguousarray(boxes[order].T, np.float32)
    alive = _survivors(columns, labels[order], _Rule(threshold, kind, exponent))
    return order[alive]


def ranked(scores: Floats) -> NDArray[np.intp]:
    """Indices by descending score; of equal scores the earlier comes first."""
    return np.argsort(-scores, kind="stable")


def _survivors(columns: Floats, labels: NDArray[Any], rule: _Rule) -> NDArray[np.bool_]:
    """Whether each box survives; they come best first.

    Classes are settled some at a time from the pairs that lie close enough; a class with very many
    such pairs, or with a box for which closeness says nothing, is settled by itself in blocks.
    """
    near = _neighbours(columns, labels, rule.threshold)
    alive = np.ones(len(labels), bool)
    placed = columns.take(near.order, axis=1)
    for start, stop in near.runs():
        one, other = near.pairs(start, stop)
        drops = np.flatnonzero(rule.drops(placed.take(one, axis=1), placed.take(other, axis=1)))
        one, other = near.order.take(one.take(drops)), near.order.take(other.take(drops))
        _settle(np.minimum(one, other), np.maximum(one, other), alive)
    for start, stop in near.crowds():
        members = np.sort(near.order[start:stop])
        alive[members] = _in_blocks(columns[:, members], rule)
    return alive


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """Boxes in an order by class and left edge; `partners` counts the near ones that follow each.

    `starts` holds where each class starts in that order, and its end; `crowded` marks classes whose
    pairs are too many or unknown.
    """

    order: NDArray[np.intp]
    partners: NDArray[np.intp]
    starts: NDArray[np.intp]
    crowded: NDArray[np.bool_]
    totals: NDArray[np.intp]

    def runs(self) -> Iterator[tuple[int, int]]:
        """Spans of whole classes that are not crowded, each with a bounded number of pairs."""
        start = pairs = 0
        for number, crowded in enumerate(self.crowded.tolist()):
            total = int(self.totals[number])
            if crowded or pairs + total > _PAIRS_AT_ONCE:
                if start < number:
                    yield int(self.starts[start]), int(self.starts[number])
                start, pairs = number + crowded, 0
            pairs += 0 if crowded else total
        if start < len(self.crowded):
            yield int(self.starts[start]), int(self.starts[-1])

    def crowds(self) -> Iterator[tuple[int, int]]:
        """Spans of the crowded classes."""
        for number in np.flatnonzero(self.crowded).tolist():
            yield int(self.starts[number]), int(self.starts[number + 1])

    def pairs(self, start: int, stop: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The near pairs within a span, as places in the order."""
        partners = self.partners[start:stop]
        places = np.arange(start, stop)
        one = places.repeat(partners)
        skipped = places + 1 - (np.cumsum(partners) - partners)
        return one, np.arange(len(one)) + skipped.take(one - start)


def _neighbours(columns: Floats, labels: NDArray[Any], threshold: float) -> _Neighbours:
    """Which boxes of one class may overlap by more than the threshold.

    An overlap above t needs a shared width above t * width, so the left edge of the right-hand box
    lies within (1 - t) * width of the other's. That says nothing about boxes without an area or
    with an infinite one; their class counts as crowded.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        width = columns[2] - columns[0]
        area = width * (columns[3] - columns[1])
        known = (threshold >= 0) & (width > 0) & (area > 0) & np.isfinite(area)
    left = np.where(known, columns[0], 0).astype(np.float64)
    reach = np.where(known, width, 0) * (1.0 - threshold + _MARGIN)
    left -= left.min()
    stride = 2.0 * float((left + reach).max()) + 1.0
    classes = labels.astype(np.float64)
    key = (classes - classes.min()) * stride + left
    order = np.argsort(key)
    key = key[order]
    limit = (key + reach[order]) * (1.0 + 1e-12)
    partners = np.searchsorted(key, limit, side="right") - np.arange(1, len(key) + 1)
    first = np.flatnonzero(np.diff(classes[order], prepend=classes.min() - 1))
    totals = np.add.reduceat(partners, first)
    crowded = (totals > _PAIRS_AT_ONCE) | np.logical_or.reduceat(~known[order], first)
    return _Neighbours(order, partners, np.append(first, len(key)), crowded, totals)


def _settle(better: NDArray[np.intp], worse: NDArray[np.intp], alive: NDArray[np.bool_]) -> None:
    """Clear `alive` of what the pairs (better drops worse, unless dropped itself) suppress."""
    free = np.ones(len(alive), bool)
    free[worse] = False
    alive[worse[free[better]]] = False
    undecided = alive[better] & alive[worse]
    better, worse = better[undecided], worse[undecided]
    order = np.argsort(better)
    flags = bytearray(alive.tobytes())
    for strong, weak in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if flags[strong]:
            flags[weak] = 0
    alive[:] = np.frombuffer(flags, bool)


def _in_blocks(columns: Floats, rule: _Rule) -> NDArray[np.bool_]:
    """Whether each box of one class survives; they come best first.

    The best that are left are settled among themselves, then the survivors clear the rest: memory
    is linear in the boxes.
    """
    alive = np.zeros(columns.shape[1], bool)
    rest = np.arange(columns.shape[1])
    while rest.size:
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
        among = columns[:, block]
        drops = rule.drops(among[:, :, None], among[:, None, :])
        survives = np.ones(len(block), bool)
        better, worse = np.nonzero(np.triu(drops, 1))
        _settle(better, worse, survives)
        alive[block[survives]] = True
        kept = among[:, survives][:, :, None]
        tiles = [rest[at : at + _TILE] for at in range(0, len(rest), _TILE)]
        left = [tile[~rule.drops(kept, columns[:, None, tile]).any(axis=0)] for tile in tiles]
        rest = np.concatenate(left) if left else rest
    return alive
