from __future__ import annotations

import json
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo_core.bench import Benchmark, BenchSettings, Subject, measure
from zoo_core.errors import UsageError
from zoo_core.nouns import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo_core.nouns import Arrays

SUBJECT = Subject(device_name="a device", threads=2, load_ms=12.3)


class Clock:
    """Time that passes only while the network runs."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Timed:
    """A session that takes the given seconds for its runs, one after the other."""

    outputs: tuple[TensorSpec, ...] = ()

    def __init__(
        self, clock: Clock, seconds: Callable[[int], Iterator[float]], batch: int | str
    ) -> None:
        self.inputs: tuple[TensorSpec, ...] = (TensorSpec(name="input", shape=(batch, 3, 4, 4)),)
        self.batches: list[int] = []
        self._clock = clock
        self._series: dict[int, Iterator[float]] = {}
        self._seconds = seconds

    def run(self, feeds: Arrays) -> Arrays:
        size = feeds["input"].shape[0]
        self.batches.append(size)
        series = self._series.setdefault(size, self._seconds(size))
        self._clock.now += next(series)
        return {}


def feeds(batch: int = 1) -> dict[str, Any]:
    return {"input": np.zeros((batch, 3, 4, 4), np.float32)}


def bench(
    series: Iterator[float], settings: BenchSettings | None = None
) -> tuple[Benchmark, Timed, Clock]:
    clock = Clock()
    session = Timed(clock, lambda _: series, 1)
    found = measure(session, feeds(), settings, clock, SUBJECT)
    return found, session, clock


def test_a_constant_network_has_known_figures() -> None:
    found, session, clock = bench(chain([0.5], repeat(0.01)))
    data = found.to_data()
    assert data["scenario"] == "single-stream"
    assert data["first_inference_ms"] == 500.0
    assert data["latency_ms"]["median"] == data["latency_ms"]["p90"] == 10.0
    assert data["throughput"] == pytest.approx(100.0)
    assert data["throughput_interval"] == pytest.approx([100.0, 100.0])
    assert data["steady"] is True
    assert data["coefficient_of_variation"] == 0.0
    assert data["samples"] == pytest.approx(500, abs=1)
    assert data["samples"] + data["warmup_samples"] + data["batches"] == len(session.batches)
    assert clock.now - 100.0 < 10.0


def test_figures_of_a_series_with_known_answers() -> None:
    ordinary, slow = 0.010, 0.030
    pattern = [ordinary] * 19 + [slow]
    found, _, _ = bench(chain(repeat(ordinary, 25), cycle(pattern)), BenchSettings(seconds=11))
    samples = found.latency.milliseconds
    data = found.to_data()["latency_ms"]
    assert data["median"] == data["p90"] == data["p95"] == 10.0
    assert data["p97"] == data["p99"] == data["max"] == 30.0
    assert data["p99_9"] is None
    assert data["mean"] == pytest.approx(11.0, abs=0.03)
    assert found.to_data()["withheld"] == {"p99_9": 6636}
    assert found.to_data()["samples"] == samples.size == pytest.approx(1000, abs=20)
    assert found.offline.samples_per_second == pytest.approx(1000 / 11, rel=0.01)
    low, high = found.to_data()["throughput_interval"]
    assert low < 1000 / 11 < high
    assert high - low < 10


def test_percentiles_wait_for_their_samples() -> None:
    found, _, _ = bench(repeat(0.1))
    data = found.to_data()
    assert 64 <= data["samples"] < 130
    assert data["latency_ms"]["p90"] == 100.0
    assert data["latency_ms"]["p95"] is data["latency_ms"]["p99"] is None
    assert data["withheld"] == {"p95": 130, "p97": 219, "p99": 662, "p99_9": 6636}
    assert data["early_stopping_ms"] == {"p90": 100.0}


@pytest.mark.parametrize("seconds", [0.0001, 0.003, 0.1, 0.6, 1.0])
def test_time_is_bounded(seconds: float) -> None:
    found, _, clock = bench(repeat(seconds))
    taken = clock.now - 100.0
    assert taken <= 2 * 5.0 + 13 * seconds
    assert found.summary.count >= 10
    assert found.offline.durations.size >= 2


def test_a_very_slow_network_gives_ten_samples_and_no_percentile() -> None:
    found, session, _ = bench(repeat(30.0))
    assert found.summary.count == 10
    assert len(session.batches) == 1 + 10 + 2
    data = found.to_data()
    assert all(data["latency_ms"][name] is None for name in data["withheld"])
    assert len(data["withheld"]) == 5
    assert data["throughput_interval"] is None
    assert data["warmup"] == {"samples": 1, "seconds": 30.0, "agreed": False}


def test_warming_up_ends_when_windows_agree() -> None:
    settling = [1.0, *np.linspace(0.06, 0.02, 12)]
    found, _, _ = bench(chain(settling, repeat(0.02)), BenchSettings(seconds=20))
    assert found.warmup.agreed
    assert found.warmup.first == pytest.approx(1.0)
    assert 13 < found.warmup.calls < 25
    assert found.latency.durations.max() == pytest.approx(0.02)


def test_warming_up_is_long_enough_for_quick_networks() -> None:
    found, _, _ = bench(repeat(0.001))
    assert found.warmup.agreed
    assert 0.2 <= found.warmup.seconds < 0.3


def test_warming_up_takes_three_windows_at_least() -> None:
    found, _, _ = bench(repeat(0.02), BenchSettings(warmup_calls=1, warmup_seconds=0.0))
    assert found.warmup.calls == 1 + 3 * 3


def test_warming_up_ends_by_time_where_windows_never_agree() -> None:
    growing = (0.01 * 1.05**step for step in range(10_000))
    found, _, _ = bench(growing)
    assert not found.warmup.agreed
    assert 1.25 <= found.warmup.seconds < 1.5
    assert not found.steadiness.steady
    assert found.steadiness.reason.startswith("latency: window")
    assert any("windows did not agree" in line for line in found.lines())


def test_throttling_is_not_steady() -> None:
    found, _, _ = bench(chain(repeat(0.01, 300), repeat(0.02)))
    assert found.to_data()["steady"] is False
    assert found.to_data()["steady_reason"].startswith("latency: window")
    assert any("steady     no (latency: window" in line for line in found.lines())


def test_only_offline_slows_down() -> None:
    first, _, _ = bench(repeat(0.01))
    before = first.warmup.calls + first.summary.count + 50
    found, _, _ = bench(chain(repeat(0.01, before), repeat(0.02)))
    assert found.steadiness.reason.startswith("offline: window 1 of 5 is 50.0% below")


def test_unstable_figures_are_marked() -> None:
    found, _, _ = bench(cycle([0.009, 0.011]))
    assert found.to_data()["coefficient_of_variation"] == pytest.approx(0.1, abs=1e-3)
    assert any("10.0%, unstable: above 2.5%" in line for line in found.lines())
    calm, _, _ = bench(cycle([0.0100, 0.0101]))
    assert not any("unstable" in line for line in calm.lines())


def test_any_batch_gives_latency_of_one_and_throughput_of_all() -> None:
    clock = Clock()
    session = Timed(clock, lambda size: repeat(0.01 * size**0.5), "batch")
    found = measure(session, feeds(4), clock=clock, subject=SUBJECT).to_data()
    assert found["scenario"] == "single-stream"
    assert (found["batch"], found["samples_per_query"]) == (4, 1)
    assert found["latency_ms"]["median"] == 10.0
    assert found["throughput"] == pytest.approx(200.0)
    ones = session.batches.index(4)
    assert set(session.batches[:ones]) == {1}
    assert session.batches[ones:] == [4] * (found["batches"] + 1)


def test_a_fixed_batch_is_a_query_of_several_samples() -> None:
    clock = Clock()
    session = Timed(clock, lambda _: repeat(0.04), 4)
    found = measure(session, feeds(4), clock=clock, subject=SUBJECT).to_data()
    assert found["scenario"] == "multi-stream"
    assert (found["batch"], found["samples_per_query"]) == (4, 4)
    assert found["latency_ms"]["median"] == 40.0
    assert found["throughput"] == pytest.approx(100.0)
    assert set(session.batches) == {4}


def test_inputs_must_be_one_batch() -> None:
    session = Timed(Clock(), lambda _: repeat(1.0), "batch")
    for wrong in ({}, {"a": np.float32(1)}, {"a": np.zeros((1, 2)), "b": np.zeros((2, 2))}):
        with pytest.raises(UsageError, match="not one batch"):
            measure(session, wrong)  # type: ignore[arg-type]
    assert session.batches == []


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_settings_refuse_senseless_times(seconds: float) -> None:
    with pytest.raises(UsageError, match="cannot take"):
        BenchSettings(seconds=seconds)


def test_settings_refuse_senseless_counts() -> None:
    with pytest.raises(UsageError, match="impossible"):
        BenchSettings(min_samples=5, least_samples=6)
    with pytest.raises(UsageError, match="impossible"):
        BenchSettings(least_samples=0)


def test_data_is_json_and_holds_what_the_contract_names() -> None:
    found, _, _ = bench(repeat(0.01))
    data = json.loads(json.dumps(found.to_data()))
    figures = ["median", "mean", "min", "max", "p90", "p95", "p97", "p99", "p99_9"]
    assert list(data["latency_ms"]) == figures
    assert data["device_name"] == "a device"
    assert (data["threads"], data["load_ms"], data["batch"]) == (2, 12.3, 1)
    assert {"cpu", "cpu_quota", "features", "load_average", "after"} <= set(data["environment"])
    assert {"load_average", "clock_mhz"} <= set(data["environment"]["after"])


def test_raw_samples_are_the_ones_the_figures_are_made_of() -> None:
    found, session, _ = bench(cycle([0.009, 0.010, 0.011]))
    raw = found.raw()
    assert len(raw["latency_ms"]) == found.summary.count
    assert len(raw["offline_batch_ms"]) == found.offline.durations.size
    assert np.median(raw["latency_ms"]) == pytest.approx(found.to_data()["latency_ms"]["median"])
    assert sum(raw["offline_batch_ms"]) == pytest.approx(found.offline.seconds * 1000)
    assert len(session.batches) == found.warmup.calls + sum(map(len, raw.values()))


def test_lines_tell_all_figures() -> None:
    found, _, _ = bench(repeat(0.01))
    text = "\n".join(found.lines())
    assert text.startswith("single-stream on a device, 2 threads\n")
    assert "median 10.000  mean 10.000  min 10.000  max 10.000 ms" in text
    assert "p90        10.000 ms (at most 10.000 with 99% confidence)" in text
    assert "p99.9      n/a (needs 6,636 samples, have 50" in text
    assert "throughput 100.00 images/s (100.00 to 100.00), offline, 2" in text
    assert "loading    12 ms, first inference 10.0 ms" in text
    assert "steady     yes (5 windows agree within 0.0% (limit 5%))" in text


def test_an_interrupt_passes_through() -> None:
    def stopped() -> Iterator[float]:
        yield from repeat(0.01, 30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(stopped())
