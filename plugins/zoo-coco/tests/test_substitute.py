"""Candidates of two runs mixed, against the same done one pair at a time."""

from __future__ import annotations

import numpy as np
import pytest
from zoo_coco.substitute import PARTS, mixed, substituted

from zoo_core.errors import UsageError
from zoo_core.toolkit.detection import Candidates

FLOOR = 0.1
ANCHORS, LABELS = 12, 4

Rows = dict[int, tuple[tuple[float, ...], dict[int, float]]]


def drawn(seed: int) -> Candidates:
    """Scores of which some labels and whole rows fall below the floor."""
    draw = np.random.default_rng(seed)
    boxes = draw.uniform(0, 100, (ANCHORS, 4))
    scores = draw.uniform(0, 1, (ANCHORS, LABELS)) * draw.uniform(0, 1, (ANCHORS, 1)) ** 3
    return Candidates.from_dense(boxes, scores, FLOOR, (100, 100))


def rows_of(candidates: Candidates) -> Rows:
    rows: Rows = {}
    for number, anchor in enumerate(candidates.anchor.tolist()):
        own = candidates.box == number
        pairs = zip(candidates.label[own].tolist(), candidates.score[own].tolist(), strict=True)
        rows[anchor] = (tuple(candidates.boxes[number].tolist()), dict(pairs))
    return rows


def one_by_one(boxes: Rows, scores: Rows, classes: Rows) -> tuple[Rows, int]:
    """The meaning of a mixture, in plain Python."""
    found, lacking = {}, 0
    for anchor, (box, own) in scores.items():
        lacking += anchor not in boxes or anchor not in classes
        other = classes.get(anchor, (box, own))[1]
        scale = max(own.values()) / max(other.values())
        pairs = {label: score * scale for label, score in other.items()}
        kept = {label: score for label, score in pairs.items() if score > FLOOR}
        found[anchor] = (boxes.get(anchor, (box, own))[0], kept)
    return found, lacking


@pytest.mark.parametrize("seed", range(20))
def test_mixtures_are_those_made_one_pair_at_a_time(seed: int) -> None:
    runs = [drawn(2 * seed), drawn(2 * seed + 1)]
    plain = [rows_of(run) for run in runs]
    assert plain[0].keys() != plain[1].keys()
    for choice in np.ndindex(2, 2, 2):
        b, s, c = choice
        made, lacking = mixed(boxes=runs[b], scores=runs[s], classes=runs[c])
        expected, few = one_by_one(plain[b], plain[s], plain[c])
        rows = rows_of(made)
        assert rows.keys() == expected.keys()
        assert lacking == few
        for anchor, (box, pairs) in expected.items():
            assert rows[anchor][0] == box
            assert rows[anchor][1] == pytest.approx(pairs, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_all_parts_of_one_run_are_that_run_bit_by_bit(seed: int) -> None:
    run, again = drawn(seed), Candidates.from_arrays(drawn(seed).to_arrays())
    for part, (made, lacking) in substituted(run, again).items():
        assert part in PARTS
        assert not lacking
        for name, array in run.to_arrays().items():
            np.testing.assert_array_equal(made.to_arrays()[name], array)


def test_a_run_without_candidates() -> None:
    run, none = drawn(3), Candidates.empty(FLOOR)
    made = substituted(none, run)
    assert [len(made[part][0]) for part in PARTS] == [0, len(run), 0]
    made = substituted(run, none)
    assert [len(made[part][0]) for part in PARTS] == [len(run), 0, len(run)]
    assert made["boxes"][1] == len(run.anchor)


def test_boxes_that_a_device_suppressed_do_not_pair() -> None:
    found = Candidates(
        boxes=np.zeros((0, 4), np.float32),
        anchor=np.zeros(0, np.int32),
        box=np.zeros(0, np.int32),
        label=np.zeros(0, np.int32),
        score=np.zeros(0, np.float32),
        floor=FLOOR,
        suppressed=(0.1, 0.5),
    )
    with pytest.raises(UsageError, match="do not pair"):
        substituted(drawn(1), found)
