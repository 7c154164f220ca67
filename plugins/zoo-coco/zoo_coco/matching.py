"""COCO's matching of detections to boxes, done once for all images.

The greedy rule is that of COCOeval (pycocotools): the detections of an image and category, by
falling score, each take the free box of the highest IoU that reaches the threshold; boxes that are
crowds or outside the range of areas are ignored, and are taken only where no other fits. What is
matched does not depend on how often an image counts, so a bootstrap over images needs it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Limits = tuple[float, float]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = ((0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10))
LIMITS = (1, 10, 100)
_NEAR_ONE = 1 - 1e-10
_MOST_GROUPS = 4096
"""How many images' categories are matched side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """M boxes: rows of their images and categories (int64 [M]), x, y, width, height in pixels.

    `xywh` is float64 [M, 4]; `area` (float64 [M]) is the truth's, which for a polygon is not that
    of its box; `crowd` is bool [M].
    """

    image: Ints
    category: Ints
    xywh: Floats
    area: Floats
    crowd: Bools

    @classmethod
    def of(cls, truth: Mapping[str, Any]) -> Boxes:
        """Those of a data set in COCO's form whose images and categories are numbered from 1."""
        rows = truth["annotations"]
        return cls(
            image=np.array([row["image_id"] for row in rows], np.int64) - 1,
            category=np.array([row["category_id"] for row in rows], np.int64) - 1,
            xywh=np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4),
            area=np.array([row["area"] for row in rows], np.float64),
            crowd=np.array([row["iscrowd"] for row in rows], bool),
        )

    def ignored(self) -> Bools:
        """Whether a box is ignored in each range of areas, bool [4, M]."""
        return np.stack([self.crowd | _outside(self.area, *limits) for limits in AREAS])


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What the rule says of N detections, for A ranges of areas and 10 thresholds of IoU.

    Detections are ordered by category, then by falling score. `image` and `category` are rows
    (int64 [N]), `rank` is a detection's place among those of its image and category (int64 [N]),
    `matched` and `ignored` are bool [A, 10, N]. `truth` are rows of image and category of the M
    objects (int64 [2, M]), and `hidden` says in which ranges each is ignored (bool [A, M]).
    """

    image: Ints
    category: Ints
    rank: Ints
    matched: Bools
    ignored: Bools
    truth: Ints
    hidden: Bools

    @classmethod
    def of(cls, found: Sequence[Mapping[str, Any]], areas: Sequence[Limits], objects: int) -> Self:
        """From COCOeval's `evalImgs`, whose images and categories are numbered from 1.

        `objects` is the number of the truth's annotations, whose ids are numbered from 1 too.
        """
        order = {limits: row for row, limits in enumerate(areas)}
        groups: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
        for each in found:
            pair = groups.setdefault((each["category_id"], each["image_id"]), [{}] * len(order))
            pair[order[tuple(each["aRng"])]] = each
        truth, hidden = np.zeros((2, objects), np.int64), np.ones((len(order), objects), bool)
        pairs, counts, scores, hits, gone = [np.zeros((0, 2), np.int64)], [0], [], [], []
        for (category, image), ranges in sorted(groups.items()):
            first = ranges[0]
            for row, each in enumerate(ranges):
                hidden[row, np.asarray(each["gtIds"], np.int64) - 1] = each["gtIgnore"]
            truth[:, np.asarray(first["gtIds"], np.int64) - 1] = [[image - 1], [category - 1]]
            count = len(first["dtIds"])
            pairs.append(np.tile([[image - 1, category - 1]], (count, 1)))
            counts.append(count)
            scores.append(np.asarray(first["dtScores"], np.float64))
            shape = len(THRESHOLDS), count
            hits.append([np.reshape(each["dtMatches"], shape) != 0 for each in ranges])
            gone.append([np.reshape(each["dtIgnore"], shape) != 0 for each in ranges])
        rows = np.concatenate(pairs)
        empty = np.zeros((len(order), len(THRESHOLDS), 0), bool)
        final = np.lexsort((-np.concatenate([np.zeros(0), *scores]), rows[:, 1]))
        return cls(
            image=rows[final, 0],
            category=rows[final, 1],
            rank=np.concatenate([np.arange(count) for count in counts])[final],
            matched=np.concatenate([empty, *map(np.array, hits)], axis=2)[:, :, final],
            ignored=np.concatenate([empty, *map(np.array, gone)], axis=2)[:, :, final],
            truth=truth,
            hidden=hidden,
        )


def match(boxes: Boxes, detections: Floats) -> Matches:
    """Match detections, float64 [N, 7]: image row, x, y, width, height, score, category row.

    Of each image and category only the 100 of the highest scores count.
    """
    order = np.lexsort((-detections[:, 5], detections[:, 6], detections[:, 0]))
    rows = detections[order]
    rank = _ranks(rows[:, [0, 6]])
    rows, rank = rows[rank < LIMITS[-1]], rank[rank < LIMITS[-1]]
    area = rows[:, 3] * rows[:, 4]
    outside = np.stack([_outside(area, *limits) for limits in AREAS])
    matched = np.zeros((len(AREAS), len(THRESHOLDS), len(rows)), bool)
    ignored = np.repeat(outside[:, None], len(THRESHOLDS), axis=1)
    for group in _groups(boxes, rows):
        _match_group(group, boxes, rows, rank, matched, ignored)
    # COCOeval sorts each category's detections by score; equal ones stay in the images' order.
    final = np.lexsort((-rows[:, 5], rows[:, 6]))
    return Matches(
        image=rows[final, 0].astype(np.int64),
        category=rows[final, 6].astype(np.int64),
        rank=rank[final],
        matched=matched[:, :, final],
        ignored=ignored[:, :, final],
        truth=np.stack([boxes.image, boxes.category]),
        hidden=boxes.ignored(),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """G pairs of an image and a category: their boxes, int64 [G, P] padded with -1, and detections.

    `first` and `count` say which rows are a pair's detections (int64 [G]).
    """

    members: Ints
    first: Ints
    count: Ints


def _groups(boxes: Boxes, rows: Floats) -> Iterator[_Group]:
    """Pairs that have both boxes and detections; those side by side have about as many boxes."""
    most = int(max(boxes.category.max(initial=0), rows[:, 6].max(initial=0))) + 1
    own = boxes.image * most + boxes.category
    order: Ints = np.argsort(own, kind="stable")
    pairs, starts, counts = np.unique(own[order], return_index=True, return_counts=True)
    keys = (rows[:, 0] * most + rows[:, 6]).astype(np.int64)
    first = np.atleast_1d(np.searchsorted(keys, pairs))
    count = np.atleast_1d(np.searchsorted(keys, pairs, side="right")) - first
    by_size: Ints = np.argsort(counts, kind="stable")
    by_size = by_size[count[by_size] > 0]
    for at in range(0, len(by_size), _MOST_GROUPS):
        part = by_size[at : at + _MOST_GROUPS]
        columns = np.arange(counts[part].max())
        inside = columns < counts[part, None]
        places = np.where(inside, starts[part, None] + columns, 0)
        yield _Group(np.where(inside, order[places], -1), first[part], count[part])


def _match_group(
    group: _Group, boxes: Boxes, rows: Floats, rank: Ints, matched: Bools, ignored: Bools
) -> None:
    """Write a group's matches into `matched` and `ignored`, one rank of detections at a time."""
    members = group.members
    own = boxes.ignored()[:, members].transpose(1, 0, 2)[:, :, None]  # [G, 4, 1, P]
    crowd = boxes.crowd[members][:, None, None]
    free = np.repeat((members >= 0)[:, None, None], len(AREAS), axis=1)
    free = np.repeat(free, len(THRESHOLDS), axis=2)  # [G, 4, 10, P]
    least = np.minimum(THRESHOLDS, _NEAR_ONE)[:, None]
    for place in range(int(group.count.max())):
        live = np.flatnonzero(group.count > place)
        at = group.first[live] + place
        overlap = _iou(rows[at, 1:5], boxes.xywh[members[live]], boxes.crowd[members[live]])
        fits = free[live] & (overlap[:, None, None] >= least)
        # Ignored boxes are worth less than any other; of equal ones the last is taken.
        worth = np.where(fits, overlap[:, None, None] + 2.0 * ~own[live], -1.0)
        best = worth.shape[-1] - 1 - worth[..., ::-1].argmax(axis=-1)
        found = np.take_along_axis(fits, best[..., None], axis=-1)[..., 0]
        by = np.broadcast_to(own[live], fits.shape)
        hidden = np.take_along_axis(by, best[..., None], axis=-1)[..., 0]
        matched[:, :, at] = found.transpose(1, 2, 0)
        ignored[:, :, at] = np.where(found, hidden, ignored[:, :, at].transpose(2, 0, 1)).transpose(
            1, 2, 0
        )
        taken = found[..., None] & (np.arange(members.shape[1]) == best[..., None]) & ~crowd[live]
        free[live] &= ~taken


def _iou(detection: Floats, boxes: Floats, crowd: Bools) -> Floats:
    """Overlap of [n, 4] with [n, P, 4], both xywh; a crowd's is the share of the detection."""
    near = np.maximum(detection[:, None, :2], boxes[..., :2])
    far = np.minimum(
        detection[:, None, :2] + detection[:, None, 2:], boxes[..., :2] + boxes[..., 2:]
    )
    sides = np.maximum(far - near, 0)
    shared = sides[..., 0] * sides[..., 1]
    own = detection[:, None, 2] * detection[:, None, 3]
    union = np.where(crowd, own, own + boxes[..., 2] * boxes[..., 3] - shared)
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0))


def _outside(area: Floats, low: float, high: float) -> Bools:
    return (area < low) | (area > high)


def _ranks(pairs: Floats) -> Ints:
    """The place of each row within its run of equal rows."""
    begins = np.ones(len(pairs), bool)
    begins[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    starts = np.flatnonzero(begins)
    return np.arange(len(pairs)) - np.repeat(starts, np.diff(np.append(starts, len(pairs))))
