"""Exact greedy non-maximum suppression per class, without a table of all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo_core.errors import UsageError, did_you_mean
from zoo_core.vision.geometry import DARKNET_EXPONENT, paired_diou, paired_iou

if TYPE_CHECKING:
    from numpy.typing import NDArray

NmsKind = Literal["iou", "diou"]
KINDS = ("iou", "diou")

_PAIRS_AT_ONCE = 1 << 20
_MARGIN = 1e-5


def nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[Any],
    threshold: float,
    kind: NmsKind = "iou",
) -> NDArray[np.intp]:
    """Indices of the boxes xyxy [n, 4] that survive, by descending score.

    Greedy: the best box of a class drops every other of that class whose overlap with it is above
    `threshold` (equal is kept), then the next best that is left, and so on. Among equal scores the
    later box goes first, as in a stable ascending sort read backwards. `iou` drops at NaN too (two
    boxes without area); `diou` is darknet's `greedynms` (see `diou`), which does not. Overlaps are
    computed in float32, in the frame of the boxes given. Memory is bounded for any input.
    """
    if kind not in KINDS:
        raise UsageError(f"no NMS kind '{kind}'", next=did_you_mean(kind, KINDS))
    order = ranked(scores)
    if len(order) < 2:
        return order
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    columns = np.ascontiguousarray(boxes.T)
    pairs = _near_pairs(columns, labels, threshold)
    if pairs is None:
        alive = _class_by_class(columns, labels, order, threshold, kind)
    else:
        alive = _settle_pairs(*_suppressing(columns, rank, *pairs, threshold, kind), len(order))
        alive = alive[rank]
    return order[alive[order]]


def ranked(scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """Indices by descending score; of equal scores the later comes first."""
    return np.argsort(scores, kind="stable")[::-1]


def _near_pairs(
    columns: NDArray[np.float32], labels: NDArray[Any], threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Index pairs of one class that may overlap by more than the threshold; None if too many.

    An overlap above t needs a shared width above t * width, so the left edge of the right-hand box
    lies within (1 - t) * width of the other's: in an order by left edge the partners are adjacent.
    None as well where a box has no area or no finite one, for which this does not hold.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        width = columns[2] - columns[0]
        area = width * (columns[3] - columns[1])
    if threshold < 0 or not ((width > 0) & (area > 0) & np.isfinite(area)).all():
        return None
    left = columns[0].astype(np.float64)
    reach = width * (1.0 - threshold + _MARGIN)
    left -= left.min()
    stride = 2.0 * float((left + reach).max()) + 1.0
    key = (labels - labels.min()) * stride + left
    order = np.argsort(key)
    key = key[order]
    limit = (key + reach[order]) * (1.0 + 1e-12)
    counts = np.searchsorted(key, limit, side="right") - np.arange(1, len(key) + 1)
    total = int(counts.sum())
    if total > _PAIRS_AT_ONCE:
        return None
    first = np.repeat(np.arange(len(key)), counts)
    start = np.cumsum(counts) - counts
    second = first + 1 + np.arange(total) - np.repeat(start, counts)
    return order[first], order[second]


def _suppressing(
    columns: NDArray[np.float32],
    rank: NDArray[np.intp],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    threshold: float,
    kind: NmsKind,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Ranks (better, worse) of the pairs whose overlap is above the threshold."""
    a, b = columns[:, first], columns[:, second]
    above = np.flatnonzero(_overlap(a, b, kind) > threshold)
    one, other = rank[first[above]], rank[second[above]]
    return np.minimum(one, other), np.maximum(one, other)


def _settle_pairs(
    better: NDArray[np.intp], worse: NDArray[np.intp], count: int
) -> NDArray[np.bool_]:
    """Whether each rank survives, given who would suppress whom."""
    alive = np.ones(count, bool)
    free = np.ones(count, bool)
    free[worse] = False
    alive[worse[free[better]]] = False
    open_pairs = alive[better] & alive[worse]
    better, worse = better[open_pairs], worse[open_pairs]
    order = np.argsort(better)
    flags = bytearray(alive.tobytes())
    for strong, weak in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if flags[strong]:
            flags[weak] = 0
    return np.frombuffer(flags, bool)


def _class_by_class(
    columns: NDArray[np.float32],
    labels: NDArray[Any],
    order: NDArray[np.intp],
    threshold: float,
    kind: NmsKind,
) -> NDArray[np.bool_]:
    """Whether each box survives, one kept box after the other: memory linear in the boxes."""
    alive = np.zeros(len(order), bool)
    grouped = order[np.argsort(labels[order], kind="stable")]
    borders = np.flatnonzero(np.diff(labels[grouped])) + 1
    for group in np.split(grouped, borders):
        rest, places = group, columns[:, group]
        while rest.size:
            alive[rest[0]] = True
            keep = 1 + np.flatnonzero(
                _overlap(places[:, :1], places[:, 1:], kind) <= np.float32(threshold)
            )
            rest, places = rest[keep], places[:, keep]
    return alive


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32], kind: NmsKind) -> NDArray[Any]:
    if kind == "iou":
        return paired_iou(a, b)
    return paired_diou(a, b, DARKNET_EXPONENT)
