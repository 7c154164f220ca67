from __future__ import annotations

import threading
import time

import pytest

from zoo_core.pipeline import overlap


def double(item: int) -> int:
    return item * 2


def total(group: list[int]) -> int:
    return sum(group)


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 5, 16, 17])
def test_results_equal_the_serial_chain_in_order(count: int, batch: int) -> None:
    items = list(range(count))
    groups = [items[at : at + batch] for at in range(0, count, batch)]
    expected = [f"<{sum(i * 2 for i in group)}>" for group in groups]

    found = list(overlap(items, double, total, lambda value: f"<{value}>", batch))

    assert found == expected


def test_at_most_two_batches_are_prepared_ahead() -> None:
    prepared: list[int] = []
    seen: list[int] = []

    def prepare(item: int) -> int:
        prepared.append(item)
        return item

    def run(group: list[int]) -> list[int]:
        time.sleep(0.01)
        seen.append(len(prepared) - group[-1] - 1)
        return group

    assert list(overlap(range(20), prepare, run, lambda group: group, 2))
    assert max(seen) <= 4


@pytest.mark.parametrize("step", ["prepare", "run", "finish"])
def test_an_error_of_any_step_is_raised_and_ends_the_threads(step: str) -> None:
    def failing(value: object) -> object:
        raise ValueError(step)

    steps = {"prepare": lambda x: x, "run": lambda x: x, "finish": lambda x: x}
    steps[step] = failing  # type: ignore[assignment]
    before = threading.active_count()

    with pytest.raises(ValueError, match=step):
        list(overlap(range(5), steps["prepare"], steps["run"], steps["finish"], 1))

    assert threading.active_count() == before


def test_leaving_early_ends_the_threads() -> None:
    before = threading.active_count()
    results = overlap(range(100), double, total, str, 1)

    assert next(results) == "0"
    results.close()  # type: ignore[attr-defined]

    assert threading.active_count() == before
