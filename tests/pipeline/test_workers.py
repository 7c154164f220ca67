from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import StageError
from zoo_core.pipeline.workers import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator


def double(item: int) -> int:
    return item * 2


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_results_equal_the_serial_ones_in_order(count: int, workers: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.001 * (item % 3))
        return item * 2

    assert list(in_order(range(count), work, workers)) == [item * 2 for item in range(count)]


def test_as_many_items_are_worked_on_at_once_as_there_are_workers() -> None:
    together = threading.Barrier(3)

    def work(item: int) -> int:
        return together.wait(10) * 0 + item

    assert list(in_order(range(9), work, 3)) == list(range(9))


def test_few_items_are_taken_ahead() -> None:
    started_items: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            started_items.append(item)
            yield item

    for done, _ in enumerate(in_order(items(), double, 2)):
        assert len(started_items) - done <= 4


def test_the_first_error_in_order_is_raised_and_ends_the_threads() -> None:
    before = threading.active_count()

    def work(item: int) -> int:
        if item in (3, 4):
            raise ValueError(f"item {item}")
        return item

    found: list[int] = []
    with pytest.raises(ValueError, match="item 3"):
        for value in in_order(range(50), work, 2):
            found.append(value)

    assert found == [0, 1, 2]
    assert threading.active_count() == before


def test_an_error_of_the_items_comes_through() -> None:
    def items() -> Iterator[int]:
        yield from range(6)
        raise OSError("gone")

    found: list[int] = []
    with pytest.raises(OSError, match="gone"):
        for value in in_order(items(), double, 1):
            found.append(value)
    assert found == [0, 2, 4, 6, 8][: len(found)]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt_of_the_reader_begins_nothing_more(ending: type[BaseException]) -> None:
    before = threading.active_count()
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.01)
        return item

    results = in_order(range(1000), work, 2)
    with pytest.raises(ending):
        for value in results:
            assert value == 0
            results.throw(ending)  # type: ignore[attr-defined]

    assert threading.active_count() == before
    assert len(begun) <= 5


def test_leaving_early_ends_the_threads() -> None:
    before = threading.active_count()
    results = in_order(range(100), double, 2)

    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]

    assert threading.active_count() == before


def test_a_thread_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_core.pipeline.workers._JOIN_SECONDS", 0.05)
    release = threading.Event()

    def work(item: int) -> int:
        if item == 2:
            release.wait(30)
        return item

    results = in_order(range(4), work, 2, stall=0.1)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(StageError, match="a worker thread hangs"):
        next(results)
    release.set()


def test_a_timeout_of_the_work_itself_is_its_own() -> None:
    def work(item: int) -> int:
        raise TimeoutError("the device")

    with pytest.raises(TimeoutError, match="the device"):
        list(in_order(range(2), work, 1))
