from __future__ import annotations

from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING

import numpy as np
import pytest
from timed import Clock, Opened, Timed, tools

from zoo_core.benchmark.measure import measure
from zoo_core.benchmark.server import schedule, server
from zoo_core.benchmark.settings import BenchSettings
from zoo_core.benchmark.text import lines
from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.benchmark.series import Series


def settings(rate: float, seconds: float, **changes: float) -> BenchSettings:
    return BenchSettings(scenario="server", target_qps=rate, seconds=seconds, **changes)  # type: ignore[arg-type]


def served(series: Iterator[float], how: BenchSettings) -> Series:
    clock = Clock()

    def query() -> None:
        clock.now += next(series)

    return server(query, 1, how, tools(clock))


def lindley(due: np.ndarray, service: list[float]) -> np.ndarray:
    """Latencies of one queue served in order: the textbook's recursion, for comparison."""
    free, found = 0.0, []
    for arrival, time in zip(due, service, strict=True):
        free = max(free, arrival) + time
        found.append(free - arrival)
    return np.array(found)


def test_arrivals_are_a_seeded_poisson_process() -> None:
    due = schedule(50.0, 20_000, 0.0, seed=3)
    gaps = np.diff(due, prepend=0.0)
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)
    assert (gaps > 1 / 50).mean() == pytest.approx(np.exp(-1), abs=0.01)
    assert np.array_equal(due, schedule(50.0, 20_000, 0.0, seed=3))
    assert not np.array_equal(due, schedule(50.0, 20_000, 0.0, seed=4))


@pytest.mark.parametrize("load", [0.1, 0.5, 0.8])
def test_waiting_is_that_of_queueing_theory(load: float) -> None:
    """Pollaczek and Khinchine: with constant service S the mean wait is load S / (2 (1 - load))."""
    service = 0.01
    found = served(repeat(service), settings(load / service, 600.0))
    expected = service + load * service / (2 * (1 - load))
    assert found.durations.mean() == pytest.approx(expected, rel=0.05)
    assert found.work == pytest.approx(service)
    assert found.arrivals is not None
    assert found.arrivals.utilisation == pytest.approx(load, rel=0.03)
    assert found.arrivals.overload == ""


def test_latency_counts_from_the_scheduled_arrival() -> None:
    """A stall of 2 s is in the latency of all that arrived meanwhile, not only of the stalled."""
    how = settings(100.0, 10.0)
    due = schedule(100.0, 1000, 10.0, how.seed)
    times = [*repeat(0.001, 100), 2.0, *repeat(0.001, due.size - 101)]
    found = served(iter(times), how)
    assert found.durations == pytest.approx(lindley(due, times))
    assert 150 < (found.durations > 0.05).sum() < 300
    assert (found.work > 0.05).sum() == 1


def test_arrivals_are_enough_and_last_long_enough() -> None:
    for seed in range(20):
        due = schedule(10.0, 50, 6.0, seed)
        assert due.size >= 50
        assert due[-1] >= 6.0
        assert np.array_equal(due[:50], schedule(10.0, 50, 0.0, seed))


def test_too_high_a_rate_is_overload() -> None:
    found = served(repeat(0.02), settings(100.0, 10.0))
    arrivals = found.arrivals
    assert arrivals is not None
    assert arrivals.waiting > 0
    assert "queries waiting" in arrivals.overload
    assert arrivals.completed_qps == pytest.approx(50, rel=0.02)
    assert arrivals.utilisation == pytest.approx(2.0, rel=0.1)
    assert found.seconds < 25
    assert found.durations.size == found.ends.size + arrivals.waiting


def test_those_that_still_wait_count_with_what_they_waited() -> None:
    found = served(chain(repeat(0.001, 5), repeat(100.0)), settings(10.0, 5.0))
    assert found.arrivals is not None
    assert found.arrivals.waiting == found.durations.size - found.ends.size >= 58
    assert (found.durations > 50).mean() > 0.8


def test_a_rate_just_above_is_overload_too() -> None:
    found = served(repeat(0.0105), settings(100.0, 60.0))
    assert found.arrivals is not None
    assert found.arrivals.overload.startswith("asks for 10")


def test_the_count_is_that_of_rate_and_time_or_of_the_samples_asked_for() -> None:
    usual = served(repeat(0.001), settings(20.0, 10.0))
    assert usual.durations.size == pytest.approx(200, abs=30)
    assert usual.seconds >= 10.0
    assert served(repeat(0.001), settings(1.0, 2.0)).durations.size == 12
    patient = settings(10.0, 2.0, min_samples=130, patience=float("inf"))
    assert served(repeat(0.001), patient).durations.size == 130


def test_the_report_of_a_server() -> None:
    clock = Clock()
    held = Opened(Timed(clock, lambda _: repeat(0.02)), clock)
    calm = measure(held.workload, settings(5.0, 30.0), tools(clock))
    assert held.hints == ["throughput"]
    assert calm.figures().to_data()["server"]["overloaded"] is False
    assert calm.figures().to_data()["steady"] is True
    assert calm.figures().to_data()["throughput"] == pytest.approx(5.0, rel=0.15)
    busy = measure(held.workload, settings(200.0, 5.0), tools(clock))
    assert busy.figures().to_data()["steady"] is False
    assert busy.figures().to_data()["steady_reason"].startswith("overloaded: given up")
    assert any(line.startswith("  overloaded  given up") for line in lines(busy.figures()))
    assert set(busy.raw()) == {"latency_ms", "service_ms", "completed_ms"}


def test_a_process_that_sleeps_through_the_whole_time_has_no_figures() -> None:
    """As on a machine that stalls: the time is over before the first query could begin."""
    clock = Clock()
    stalled = replace(tools(clock), sleep=lambda seconds: clock.sleep(1000.0))

    def query() -> None:
        pytest.fail("a query ran")

    with pytest.raises(ZooError, match=r"finished in 1000\.0 s, and 10 wait") as raised:
        server(query, 2, settings(5.0, 2.0, min_samples=10), stalled)
    assert "lower --target-qps" in raised.value.next
