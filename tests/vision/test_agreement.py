"""How far two predictions of one image agree."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from zoo_core.vision.agreement import DIFFERENT, EQUAL, WITHIN, agreement


def found(*rows: tuple[float, float, int]) -> dict[str, Any]:
    """Boxes 10 pixels wide at x, with score and label."""
    boxes = np.array([[x, 0, x + 10, 10] for x, _, _ in rows], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in rows], np.float32)
    return {"boxes": boxes, "scores": scores, "labels": np.array([r[2] for r in rows], np.int32)}


FULL = found((0, 0.9, 1), (50, 0.8, 1), (100, 0.7, 2))


def test_the_same_arrays_are_equal() -> None:
    result = agreement(FULL, found((0, 0.9, 1), (50, 0.8, 1), (100, 0.7, 2)))

    assert result.status == EQUAL
    assert (result.before, result.after, result.matched) == (3, 3, 3)


def test_small_moves_and_another_order_are_within_tolerance() -> None:
    result = agreement(FULL, found((50.5, 0.805, 1), (0, 0.895, 1), (100, 0.7, 2), (200, 0.04, 1)))

    assert result.status == WITHIN
    assert result.pixels == pytest.approx(0.5)
    assert result.score == pytest.approx(0.005, abs=1e-6)
    assert (result.matched, result.after) == (3, 4)


@pytest.mark.parametrize(
    "other",
    [
        found((0, 0.9, 1), (50, 0.8, 1)),  # one is lost
        found((0, 0.9, 1), (50, 0.8, 1), (100, 0.7, 3)),  # of another label
        found((0, 0.9, 1), (51.5, 0.8, 1), (100, 0.7, 2)),  # moved
        found((0, 0.9, 1), (50, 0.77, 1), (100, 0.7, 2)),  # less sure
        found((0, 0.9, 1), (50, 0.8, 1), (100, 0.7, 2), (200, 0.06, 1)),  # one is new
        found(),
    ],
)
def test_what_a_person_would_see_is_different(other: dict[str, Any]) -> None:
    assert agreement(FULL, other).status == DIFFERENT
    assert agreement(other, FULL).status == DIFFERENT


def test_nothing_found_twice_is_equal() -> None:
    assert agreement(found(), found()).status == EQUAL


def test_partners_are_those_of_the_best_assignment() -> None:
    """Against brute force over all assignments, on boxes that lie apart."""
    generator = np.random.default_rng(5)
    for _ in range(20):
        places = generator.permutation(6)[:5] * 30.0
        scores = generator.uniform(0.1, 0.9, 5)
        moved = places + generator.uniform(-0.9, 0.9, 5)
        order = generator.permutation(5)
        before = found(*((x, s, 0) for x, s in zip(places, scores, strict=True)))
        after = found(*((moved[i], scores[i], 0) for i in order))
        best = min(
            max(abs(before["boxes"][i, 0] - after["boxes"][j, 0]) for i, j in enumerate(choice))
            for choice in permutations(range(5))
        )
        assert agreement(before, after).pixels == pytest.approx(best, abs=1e-5)


def test_other_results_are_compared_number_by_number() -> None:
    one = {"scores": np.array([0.5, 0.25], np.float32), "labels": np.array([3, 1], np.int32)}
    near = {**one, "scores": one["scores"] + np.float32(0.004)}
    swapped = {**one, "labels": one["labels"][::-1]}

    assert agreement(one, dict(one)).status == EQUAL
    assert agreement(one, near).status == WITHIN
    assert agreement(one, swapped).status == DIFFERENT
    assert agreement(one, {"scores": one["scores"]}).status == DIFFERENT
    assert agreement(one, {k: v[:1] for k, v in one.items()}).status == DIFFERENT
