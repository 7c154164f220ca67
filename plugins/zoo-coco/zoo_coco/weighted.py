"""COCO's figures where images count any number of times."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from zoo_coco.matching import AREAS, LIMITS, THRESHOLDS, Matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_RECALLS = np.linspace(0, 1, 101)
_TINY = float(np.spacing(1))
_HALF, _THREE_QUARTERS = 0, 5
"""Rows of the thresholds 0.5 and 0.75."""

_MOST_VALUES = 1_000_000
"""How many weights of a category's detections are summed at once, about."""


@dataclass(frozen=True, slots=True)
class WeightedFigures:
    """The figures of one set of matches, for weights of its images.

    `categories` is the number of categories, with or without objects. `limits` are those of
    detections of an image and category; matches of key points have one, and no small objects.
    """

    matches: Matches
    categories: int
    limits: Sequence[int] = LIMITS

    def __call__(self, weights: Floats) -> tuple[Floats, Floats]:
        """The figures [R, 12 or 10], and each category's AP [R, K], for weights [R, images].

        All are float64, NaN where undefined. With all weights 1 they are those of COCOeval.
        """
        step = max(1, _MOST_VALUES * self.categories // max(1, len(self.matches.image)))
        parts = [self._part(weights[at : at + step]) for at in range(0, len(weights), step)]
        stats, ap = zip(*parts, strict=True)
        return np.concatenate(stats), np.concatenate(ap)

    def _part(self, weights: Floats) -> tuple[Floats, Floats]:
        repeats, categories, areas = len(weights), range(self.categories), len(self.matches.hidden)
        # Recalls of all sizes come first, one a limit, then one a size.
        first, last = len(self.limits), len(self.limits) + areas - 1
        places = [slice(0, first), *(slice(at, at + 1) for at in range(first, last))]
        shape = self.categories, len(THRESHOLDS), repeats
        precision, recall = np.full((areas, *shape), np.nan), np.full((last, *shape), np.nan)
        image, own_category = self.matches.truth
        order = np.argsort(own_category, kind="stable")
        edges = np.searchsorted(own_category[order], np.arange(self.categories + 1))
        rows = np.searchsorted(self.matches.category, np.arange(self.categories + 1))
        for category, area in product(categories, range(areas)):
            own = order[edges[category] : edges[category + 1]]
            total = weights[:, image[own[~self.matches.hidden[area, own]]]].sum(axis=1)
            if total.any():
                hits = self._hits(area, slice(rows[category], rows[category + 1]), weights)
                limits = self.limits if area == 0 else self.limits[-1:]
                precision[area, category], found = _figures(hits, total, limits)
                recall[places[area], category] = found
        return _summary(precision, recall), _mean(precision[0].transpose(1, 2, 0))

    def _hits(self, area: int, part: slice, weights: Floats) -> Iterator[_Hits]:
        """One for each threshold, of the detections in `part` that count in a range of areas."""
        matches = self.matches
        ignored = matches.ignored[area, :, part]
        hits = matches.matched[area, :, part] & ~ignored
        shown = np.flatnonzero(~ignored.all(axis=0))
        weight, rank = weights[:, matches.image[part][shown]], matches.rank[part][shown]
        running = np.cumsum(weight, axis=1)
        for hit_row, ignored_row in zip(hits[:, shown], ignored[:, shown], strict=True):
            hit, gone = np.flatnonzero(hit_row), np.flatnonzero(ignored_row)
            seen = running[:, hit]
            if len(gone):
                lost = np.cumsum(weight[:, gone], axis=1)
                lost = np.concatenate([np.zeros((len(weights), 1)), lost], axis=1)
                seen = seen - lost[:, np.searchsorted(gone, hit)]
            yield _Hits(weight=weight[:, hit], seen=seen, rank=rank[hit])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hits:
    """The H detections that match at one threshold, by falling score, for R weights.

    `weight` is each one's, `seen` that of all detections down to it (float64 [R, H]).
    """

    weight: Floats
    seen: Floats
    rank: NDArray[np.int64]


def _figures(hits: Iterator[_Hits], total: Floats, limits: Sequence[int]) -> tuple[Floats, Floats]:
    """Average precision [10, R], and recall for each limit of detections [L, 10, R]."""
    precision = np.full((len(THRESHOLDS), len(total)), np.nan)
    recall = np.full((len(limits), len(THRESHOLDS), len(total)), np.nan)
    known = total > 0
    for row, each in enumerate(hits):
        found = np.cumsum(each.weight[known], axis=1)
        precision[row, known] = _average(found, each.seen[known], total[known])
        for place, limit in enumerate(limits):
            share = each.weight[known][:, each.rank < limit].sum(axis=1)
            recall[place, row, known] = share / total[known]
    return precision, recall


def _average(found: Floats, seen: Floats, total: Floats) -> Floats:
    """Mean precision at 101 recalls, float64 [R], of the hits' running sums [R, H].

    Precision falls between hits, so its envelope is made of its values at hits.
    """
    if not found.shape[1]:
        return np.zeros(len(found))
    precision = found / (seen + _TINY)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # A hit's envelope counts for each recall that it reaches and the hit before it does not.
    reached = np.searchsorted(_RECALLS, found / total[:, None], side="right")
    steps = np.diff(reached, axis=1, prepend=0)
    return np.asarray((envelope * steps).sum(axis=1) / len(_RECALLS))


def _summary(precision: Floats, recall: Floats) -> Floats:
    """COCOeval's figures in its order; those of key points have recalls at two thresholds."""
    thresholds, repeats = (_HALF, _THREE_QUARTERS), precision.shape[-1]
    sizes = [each.reshape(-1, repeats) for each in precision[1:]]
    found = [each.reshape(-1, repeats) for each in recall]
    if len(precision) == len(AREAS):
        last = found
    else:
        last = [found[0], *(recall[0, :, each] for each in thresholds), *found[1:]]
    first = [precision[0].reshape(-1, repeats), *(precision[0, :, each] for each in thresholds)]
    return np.stack([_mean(row) for row in (*first, *sizes, *last)], axis=1)


def _mean(values: Floats) -> Floats:
    """Over the first axis and what is defined, NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))
