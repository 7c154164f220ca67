from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.timing import Timings, interleaved

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Stands still but for what the contenders take."""

    def __init__(self) -> None:
        self.now = 100.0
        self.called: list[str] = []
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds

    def takes(self, name: str, *seconds: float) -> Callable[[], None]:
        left = list(seconds)

        def call() -> None:
            self.called.append(name)
            self.now += left.pop(0)

        return call


def test_contenders_go_by_turns_and_the_first_round_is_thrown_away() -> None:
    clock = Clock()
    contenders = {"a": clock.takes("a", 9, 1, 2, 3), "b": clock.takes("b", 9, 4, 4, 4)}
    times = interleaved(contenders, 3, rest=0.5, clock=clock, sleep=clock.sleep)
    assert clock.called == ["b", "a", "a", "b", "b", "a", "a", "b"]
    assert times.seconds == {"a": [1, 2, 3], "b": [4, 4, 4]}
    assert clock.slept == 4.0


def test_no_round_is_thrown_away_where_none_warms_up() -> None:
    clock = Clock()
    times = interleaved(
        {"a": clock.takes("a", 5, 1)}, 2, warm=False, clock=clock, sleep=clock.sleep
    )
    assert times.seconds == {"a": [5, 1]}


def test_a_ratio_is_that_of_medians_with_the_quartiles_of_rounds() -> None:
    times = Timings({"slow": [4.0, 6.0, 8.0, 20.0, 10.0], "fast": [2.0, 2.0, 2.0, 4.0, 10.0]})
    ratio = times.ratio("slow", "fast")
    assert (ratio.value, ratio.low, ratio.high) == (4.0, 2.0, 4.0)
    assert str(ratio) == "4.00x (2.00..4.00)"
    assert times.to_data()["fast"] == [2000, 2000, 2000, 4000, 10000]


def test_a_single_round_has_no_spread() -> None:
    ratio = Timings({"slow": [3.0], "fast": [2.0]}).ratio("slow", "fast")
    assert (ratio.value, ratio.low, ratio.high) == (1.5, 1.5, 1.5)


def test_a_contender_that_fails_fails_the_measurement() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interleaved({"broken": broken}, 1)
