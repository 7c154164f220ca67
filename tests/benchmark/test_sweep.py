from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo_core.benchmark.sweep import Point, find_best
from zoo_core.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Hill:
    """Scores by the value of each setting; remembers what was measured."""

    def __init__(self, scores: Mapping[str, Mapping[int, float]], noise: float = 0.0) -> None:
        self.seen: list[dict[str, int]] = []
        self._scores, self._noise = scores, noise

    def __call__(self, settings: Mapping[str, int]) -> Point:
        self.seen.append(dict(settings))
        score = 100.0
        for name, value in settings.items():
            factor = self._scores[name][value]
            if factor < 0:
                return Point(settings=settings, score=0.0, noise=0.0, failure="no memory")
            score *= factor
        return Point(settings=settings, score=score, noise=self._noise)


def test_a_ladder_ends_where_a_step_is_not_worth_it() -> None:
    hill = Hill({"batch": {1: 1.0, 2: 1.5, 4: 1.6, 8: 1.62, 16: 3.0}})
    found = find_best({"batch": (1, 2, 4, 8, 16)}, hill)
    assert [point["batch"] for point in hill.seen] == [1, 2, 4, 8]
    assert found.best.settings == {"batch": 4}
    assert found.endings == {"batch": "ended at 8: gained +1.2%, less than 3.0%"}
    assert any(
        line.startswith("best: batch 4: 160.000 images/s")
        for line in replace(found, unit="images/s").lines()
    )


def test_noise_raises_the_bar() -> None:
    scores = {"batch": {1: 1.0, 2: 1.1, 4: 2.0}}
    assert find_best({"batch": (1, 2, 4)}, Hill(scores)).best.settings == {"batch": 4}
    noisy = find_best({"batch": (1, 2, 4)}, Hill(scores, noise=0.1))
    assert noisy.best.settings == {"batch": 1}
    assert noisy.endings["batch"] == "ended at 2: gained +10.0%, less than 14.1%"


def test_one_setting_after_the_other_keeps_the_best_so_far() -> None:
    hill = Hill({"batch": {1: 1.0, 2: 2.0, 4: 1.9}, "threads": {1: 1.0, 2: 1.5}})
    found = find_best({"batch": (1, 2, 4), "threads": (1, 2)}, hill)
    assert hill.seen[0] == {"batch": 1, "threads": 1}
    assert hill.seen[-1] == {"batch": 2, "threads": 2}
    assert found.best.settings == {"batch": 2, "threads": 2}
    assert found.endings["threads"] == "all values were tried"
    assert found.to_data()["best"]["score"] == 300.0


def test_a_point_that_fails_ends_its_ladder_and_nothing_else() -> None:
    hill = Hill({"batch": {1: 1.0, 2: -1.0}, "threads": {1: 1.0, 2: 2.0}})
    found = find_best({"batch": (1, 2), "threads": (1, 2)}, hill)
    assert found.endings["batch"] == "no memory"
    assert found.best.settings == {"batch": 1, "threads": 2}
    assert "no memory" in "\n".join(replace(found, unit="images/s").lines())
    with pytest.raises(StageError, match="no memory"):
        find_best({"batch": (2,)}, hill)


def test_first_values_that_fail_are_passed_over() -> None:
    hill = Hill({"batch": {1: -1.0, 2: -1.0, 4: 1.0, 8: 2.0}, "threads": {1: 1.0, 2: 2.0}})
    found = find_best({"batch": (1, 2, 4, 8), "threads": (1, 2)}, hill)
    assert [point.failure for point in found.points] == ["no memory", "no memory", "", "", ""]
    assert found.best.settings == {"batch": 8, "threads": 2}
    assert found.endings["batch"] == "all values were tried"
