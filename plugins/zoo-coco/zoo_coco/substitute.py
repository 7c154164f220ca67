"""Candidates of one run with a part of another's: its boxes, its scores or its classes.

Both runs are of one network on one image, so that a row of its output is the same place in both.
The score of a row is that of its best label; its classes are the labels, each with its share of
that score. Taking all three parts from one run gives that run's candidates.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.errors import UsageError
from zoo_core.toolkit.detection.detections import Candidates, Pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PARTS = ("boxes", "scores", "classes")


def substituted(
    reference: Candidates, measured: Candidates
) -> Mapping[str, tuple[Candidates, int]]:
    """The reference with each part of the measured run, and how many boxes lack that part.

    Raises UsageError for rows that cannot be told apart: a device or the network removed or ranked
    them.
    """
    if reference.suppressed or measured.suppressed:
        what = "the boxes were suppressed before they were stored, so those of two runs do not pair"
        raise UsageError(what, next="use a network that leaves NMS to zoo, or --option nms=host")
    every = dict.fromkeys(PARTS, reference)
    return {part: mixed(**{**every, part: measured}) for part in PARTS}


def mixed(*, boxes: Candidates, scores: Candidates, classes: Candidates) -> tuple[Candidates, int]:
    """Candidates whose parts are those of different runs, and how many boxes lack a part.

    The run of the scores says which rows there are. A row that another run has no pair of above the
    floor keeps that part as the run of the scores has it.
    """
    place, kind = (_places(other.anchor, scores.anchor) for other in (boxes, classes))
    found = scores.boxes.copy()
    found[place >= 0] = boxes.boxes[place[place >= 0]]
    pairs = Pairs(scores.box.astype(np.intp), scores.label.astype(np.intp), scores.score)
    if classes is not scores and len(scores):
        pairs = _with_classes(scores, classes, kind)
    made = Candidates.from_pairs(
        found, pairs, scores.floor, scores.size, scores.anchor.astype(np.intp)
    )
    return replace(made, dropped=scores.dropped), int(((place < 0) | (kind < 0)).sum())


def _with_classes(scores: Candidates, classes: Candidates, kind: NDArray[np.intp]) -> Pairs:
    """Pairs with the labels of another run, scaled so that the best is as good as before."""
    row = np.full(len(classes.anchor), -1, np.intp)
    row[kind[kind >= 0]] = np.flatnonzero(kind >= 0)
    known, own = row[classes.box] >= 0, kind[scores.box] < 0
    share = classes.score / _best(classes)[classes.box].astype(np.float64)
    scaled = (_best(scores)[row[classes.box]] * share).astype(np.float32)
    rows = np.concatenate([row[classes.box][known], scores.box[own].astype(np.intp)])
    labels = np.concatenate([classes.label[known], scores.label[own]]).astype(np.intp)
    values = np.concatenate([scaled[known], scores.score[own]])
    order = np.lexsort((labels, rows))
    order = order[values[order] > np.float32(scores.floor)]
    return Pairs(rows[order], labels[order], values[order])


def _best(candidates: Candidates) -> NDArray[np.float32]:
    """The score of each box's best label."""
    best = np.zeros(len(candidates.anchor), np.float32)
    np.maximum.at(best, candidates.box, candidates.score)
    return best


def _places(anchors: NDArray[np.int32], wanted: NDArray[np.int32]) -> NDArray[np.intp]:
    """Where each wanted row stands among ascending ones; -1 where it is not."""
    place = np.searchsorted(anchors, wanted)
    inside = place < len(anchors)
    place[~inside] = 0
    there = inside & (anchors[place] == wanted) if len(anchors) else inside
    return np.where(there, place, -1)
