from __future__ import annotations

from itertools import cycle, repeat
from typing import TYPE_CHECKING

import numpy as np
import pytest
from timed import Clock, Opened, Timed, tools

from zoo_core.benchmark.compare import Versus, compare, turns
from zoo_core.benchmark.settings import BenchSettings
from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def compared(
    first: Callable[[Clock], Iterator[float]],
    second: Callable[[Clock], Iterator[float]],
    **changes: object,
) -> Versus:
    clock = Clock()
    sides = [
        Opened(Timed(clock, lambda _, series=series: series(clock)), clock).workload  # type: ignore[misc]
        for series in (first, second)
    ]
    settings = BenchSettings(**{"seconds": 5.0, **changes})  # type: ignore[arg-type]
    return compare(sides[0], sides[1], settings, tools(clock))


def verdict(found: Versus) -> str:
    return found.figures("a", "b").verdict


def constant(seconds: float) -> Callable[[Clock], Iterator[float]]:
    return lambda clock: repeat(seconds)


def noisy(seconds: float, seed: int, spread: float = 0.05) -> Callable[[Clock], Iterator[float]]:
    source = np.random.default_rng(seed)
    return lambda clock: iter(seconds * np.exp(source.normal(0, spread, 100_000)))


def test_turns_come_as_abba() -> None:
    clock, order = Clock(), list[str]()

    def query(name: str) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            clock.now += 0.05

        return run

    first, second = turns(query("a"), query("b"), BenchSettings(), tools(clock), "single-stream")
    assert first.shape == second.shape
    runs = first.shape[1] // 2
    block = ["a"] * (runs + 1) + ["b"] * 2 * (runs + 1) + ["a"] * (runs + 1)
    assert order[-len(block) * first.shape[0] :] == block * first.shape[0]


def test_a_known_ratio_is_found() -> None:
    found = compared(constant(0.010), constant(0.025))
    data = found.figures("a", "b").to_data()
    assert data["speedup"] == pytest.approx(2.5)
    assert data["speedup_interval"] == pytest.approx([2.5, 2.5])
    assert (data["median_ms"], data["other_median_ms"]) == (10.0, 25.0)
    assert data["verdict"] == "faster"
    assert data["blocks"] >= 12
    assert any("2.500 times as fast" in line for line in found.figures("a", "b").lines())
    assert any(
        line.startswith("  verdict     a is 2.50 times as fast as b (p = ")
        for line in found.figures("a", "b").lines()
    )
    slower = compared(constant(0.025), constant(0.010)).figures("a", "b")
    assert slower.verdict == "slower"
    assert slower.sentence == "b is 2.50 times as fast as a"
    same = compared(noisy(0.02, 1), noisy(0.02, 2)).figures("a", "b")
    assert same.sentence == same.verdict == "no difference shown"


def test_a_small_difference_in_noise_is_shown_with_its_interval() -> None:
    data = compared(noisy(0.0100, 1), noisy(0.0105, 2)).figures("a", "b").to_data()
    low, high = data["speedup_interval"]
    assert low < 1.05 < high
    assert low > 1
    assert high - low < 0.05
    assert data["p"] < 0.01


def test_the_same_build_twice_shows_no_difference_as_often_as_it_should() -> None:
    verdicts = [
        verdict(compared(noisy(0.02, 2 * seed), noisy(0.02, 2 * seed + 1))) for seed in range(60)
    ]
    assert verdicts.count("no difference shown") >= 52


def test_a_drift_of_the_machine_is_no_difference() -> None:
    """Slowing down by 50 % over the measurement falls on both alike."""

    def drifting(seconds: float) -> Callable[[Clock], Iterator[float]]:
        def series(clock: Clock) -> Iterator[float]:
            while True:
                yield seconds * (1 + 0.04 * (clock.now - 100.0))

        return series

    found = compared(drifting(0.010), drifting(0.020))
    assert found.figures("a", "b").speedup == pytest.approx(2.0, rel=0.005)


def test_stalls_of_one_block_do_not_decide() -> None:
    stalls = lambda clock: cycle([*repeat(0.01, 97), 0.5])  # noqa: E731
    found = compared(stalls, constant(0.02))
    assert found.figures("a", "b").speedup == pytest.approx(2.0, rel=0.01)


def test_slow_builds_get_twelve_blocks() -> None:
    found = compared(constant(2.0), constant(2.2))
    assert found.first.shape == (12, 2)
    assert verdict(found) == "faster"


def test_offline_compares_whole_batches_per_sample() -> None:
    clock = Clock()
    one = Opened(Timed(clock, lambda _: repeat(0.04), 4), clock, batch=4)
    two = Opened(Timed(clock, lambda _: repeat(0.02), 1), clock)
    how = BenchSettings(scenario="offline")
    found = compare(one.workload, two.workload, how, tools(clock)).figures("a", "b").to_data()
    assert one.hints == two.hints == ["throughput"]
    assert found["median_ms"] == pytest.approx(10.0)
    assert found["speedup"] == pytest.approx(2.0)


@pytest.mark.parametrize("scenario", ["server", "multi-stream"])
def test_other_scenarios_are_refused(scenario: str) -> None:
    with pytest.raises(UsageError, match="cannot be compared"):
        compared(constant(0.01), constant(0.01), scenario=scenario, target_qps=1.0)
