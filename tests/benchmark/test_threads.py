"""Several workers: structure only, since threads have no clock of their own."""

from __future__ import annotations

import threading
from threading import Barrier, Event

import numpy as np
import pytest

from zoo_core.benchmark import threads
from zoo_core.benchmark.series import Instruments, Loop
from zoo_core.benchmark.server import server
from zoo_core.benchmark.settings import BenchSettings
from zoo_core.benchmark.threads import run_workers


def living() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("bench-")]


def test_as_many_workers_run_at_once_as_asked() -> None:
    barrier = Barrier(3, timeout=30)
    numbers = list[int]()

    def work(number: int, stop: Event) -> None:
        barrier.wait()
        numbers.append(number)

    run_workers(3, work)
    assert sorted(numbers) == [0, 1, 2]
    assert living() == []


def test_a_single_worker_runs_in_the_callers_thread() -> None:
    seen = list[threading.Thread]()
    run_workers(1, lambda number, stop: seen.append(threading.current_thread()))
    assert seen == [threading.current_thread()]


def test_the_first_error_stops_all_and_is_raised() -> None:
    def work(number: int, stop: Event) -> None:
        if number == 1:
            raise ValueError("the network failed")
        assert stop.wait(30)

    with pytest.raises(ValueError, match="the network failed"):
        run_workers(3, work)
    assert living() == []


def test_workers_that_hang_are_left_after_one_time_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "HUNG_SECONDS", 0.3)
    release = Event()

    def work(number: int, stop: Event) -> None:
        if number == 0:
            raise ValueError("the network failed")
        release.wait(30)

    try:
        with pytest.raises(ValueError, match="the network failed"):
            run_workers(9, work)
        assert len(living()) == 8
    finally:
        release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("bench-"):
            thread.join(30)


def test_an_interrupt_stops_all_and_passes() -> None:
    stopped = list[bool]()

    def interrupted() -> None:
        raise KeyboardInterrupt

    def work(number: int, stop: Event) -> None:
        stopped.append(stop.wait(30))

    with pytest.raises(KeyboardInterrupt):
        run_workers(2, work, interrupted)
    assert stopped == [True, True]
    assert living() == []


def test_offline_with_two_workers_counts_every_batch_once() -> None:
    meeting, lock, calls = Barrier(2, timeout=30), threading.Lock(), list[int]()

    def query() -> None:
        with lock:
            calls.append(1)
            first_pair = len(calls) <= 2
        if first_pair:
            meeting.wait()

    how = BenchSettings(scenario="offline", seconds=0.02, min_samples=10)
    found = Loop(how, Instruments()).run("offline", query, 4, began=0.0, workers=2)
    assert found.workers == 2
    assert found.durations.size == found.ends.size == len(calls) >= 2
    assert np.all(np.diff(found.ends) >= 0)
    assert found.gaps.sum() == pytest.approx(found.seconds)
    assert found.samples_per_second == pytest.approx(4 * len(calls) / found.seconds)


def test_a_server_with_two_workers_serves_each_query_once() -> None:
    how = BenchSettings(
        scenario="server", seconds=0.05, target_qps=2000.0, min_samples=100, patience=1.0
    )
    calls = list[int]()
    found = server(lambda: calls.append(1), 2, how, Instruments())
    assert found.durations.size == len(calls) + (found.arrivals.waiting if found.arrivals else 0)
    assert found.durations.min() > 0
    assert found.durations.size == 100
