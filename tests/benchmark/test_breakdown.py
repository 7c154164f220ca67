from __future__ import annotations

from itertools import repeat

import pytest
from timed import Clock, bench

from zoo_core.benchmark.breakdown import Step, break_down
from zoo_core.benchmark.text import HEAD, block
from zoo_core.system.machine import peak_memory, reset_peak_memory, resident_memory


def timed(clock: Clock, seconds: float) -> Step:
    def step(item: list[float]) -> list[float]:
        clock.now += seconds * item[0]
        return [*item, seconds]

    return f"{seconds:g}", step


def test_steps_have_known_medians_and_pass_their_results_on() -> None:
    clock, walked = Clock(), list[list[float]]()

    def last(item: list[float]) -> list[float]:
        walked.append(item)
        return item

    steps = [timed(clock, 0.010), timed(clock, 0.030), ("last", last)]
    found = break_down([[1.0], [2.0], [3.0]], steps, clock, 100.0)
    data = found.to_data()
    assert [step["median_ms"] for step in data["steps"]] == [20.0, 60.0, 0.0]
    assert [step["share"] for step in data["steps"]] == [0.25, 0.75, 0.0]
    assert (data["images"], data["end_to_end_ms"]) == (3, 80.0)
    assert walked == [[1.0, 0.01, 0.03], *([size, 0.01, 0.03] for size in (1.0, 2.0, 3.0))]
    assert found.lines()[-1].split() == ["end", "to", "end", "80.000", "ms"]


def test_time_ends_it_after_five() -> None:
    clock = Clock()
    found = break_down([[1.0]] * 50, [timed(clock, 10.0)], clock, 1.0)
    assert found.images == 5


def test_no_images_are_an_error() -> None:
    with pytest.raises(ValueError, match="no items"):
        break_down([], [], Clock(), 1.0)


def test_the_block_has_the_vendors_lines_and_units() -> None:
    found, _, _ = bench(repeat(0.008))
    text = block(found, "cpu")
    assert text[0] == HEAD
    assert "zoo" in HEAD
    names = [line.partition(":")[0] for line in text[1:]]
    assert names == [
        "- number of instances in each device", "devices", "batch size", "samples",
        "forward time (s)", "throughput (qps)", "e2e latency (us)", "    avg latency",
        "    min latency", "    max latency", "model latency (us)", "    avg latency",
        "    min latency", "    max latency",
    ]  # fmt: skip
    values = {line.partition(": ")[0]: line.partition(": ")[2] for line in text}
    rate = float(values["samples"]) / float(values["forward time (s)"])
    assert float(values["throughput (qps)"]) == pytest.approx(rate, rel=1e-5) == 125.0
    assert text[-3:] == [f"    {name} latency: 8000" for name in ("avg", "min", "max")]


def test_memory_has_a_peak_that_can_begin_anew() -> None:
    held = resident_memory()
    assert held is None or held > 1e6
    block_of_memory = bytearray(64 << 20)
    block_of_memory[::4096] = b"x" * len(block_of_memory[::4096])
    most = peak_memory()
    del block_of_memory
    if reset_peak_memory():
        later = peak_memory()
        assert most is not None
        assert later is not None
        assert later < most


def test_shares_are_those_of_the_medians_beside_them() -> None:
    """One slow image moves neither: half of the medians' sum is half, whatever the sums are."""
    clock = Clock()
    items = [[0.01], [0.01], [0.01], [5.0], [0.01], [0.01]]
    read = lambda item: (clock.sleep(item[0]), item)[1]  # noqa: E731
    run = lambda item: (clock.sleep(0.01), item)[1]  # noqa: E731
    found = break_down(items, [("read", read), ("run", run)], clock, 60.0)

    assert [(step.median_ms, step.share) for step in found.steps] == [(10.0, 0.5), (10.0, 0.5)]
