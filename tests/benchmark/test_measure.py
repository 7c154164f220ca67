from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain, count, cycle, repeat
from typing import TYPE_CHECKING

import numpy as np
import pytest
from timed import Clock, Opened, Timed, bench, tools

from zoo_core.benchmark.measure import measure, whole_batch
from zoo_core.benchmark.settings import BenchSettings
from zoo_core.benchmark.text import lines
from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.benchmark.result import Benchmark


def test_a_constant_network_has_known_figures() -> None:
    found, session, clock = bench(chain([0.5], repeat(0.01)))
    data = found.figures().to_data()
    assert data["scenario"] == "single-stream"
    assert data["throughput_scenario"] == "offline"
    assert data["first_inference_ms"] == 500.0
    assert data["latency_ms"]["median"] == data["latency_ms"]["p90"] == 10.0
    assert data["throughput"] == pytest.approx(100.0)
    assert data["throughput_interval"] == pytest.approx([100.0, 100.0])
    assert data["steady"] is True
    assert data["coefficient_of_variation"] == 0.0
    assert data["samples"] == pytest.approx(500, abs=1)
    offline = found.throughput.warmup.calls
    counted = data["samples"] + data["warmup_samples"] + data["batches"] + offline
    assert counted == len(session.batches)
    assert clock.now - 100.0 < 10.0


def test_figures_of_a_series_with_known_answers() -> None:
    ordinary, slow = 0.010, 0.030
    pattern = [ordinary] * 19 + [slow]
    found, _, _ = bench(chain(repeat(ordinary, 25), cycle(pattern)), BenchSettings(seconds=11))
    samples = found.latency.series.milliseconds
    data = found.figures().to_data()["latency_ms"]
    assert data["median"] == data["p90"] == data["p95"] == 10.0
    assert data["p97"] == data["p99"] == data["max"] == 30.0
    assert data["p99_9"] is None
    assert data["mean"] == pytest.approx(11.0, abs=0.03)
    assert found.figures().to_data()["withheld"] == {"p99_9": 6636}
    assert found.figures().to_data()["samples"] == samples.size == pytest.approx(1000, abs=20)
    assert found.throughput.series.samples_per_second == pytest.approx(1000 / 11, rel=0.01)
    low, high = found.figures().to_data()["throughput_interval"]
    assert low < 1000 / 11 < high
    assert high - low < 10


def test_percentiles_wait_for_their_samples() -> None:
    found, _, _ = bench(repeat(0.1))
    data = found.figures().to_data()
    assert 64 <= data["samples"] < 130
    assert data["latency_ms"]["p90"] == 100.0
    assert data["latency_ms"]["p95"] is data["latency_ms"]["p99"] is None
    assert data["withheld"] == {"p95": 130, "p97": 219, "p99": 662, "p99_9": 6636}
    assert data["early_stopping_ms"] == {"p90": 100.0}


@pytest.mark.parametrize("seconds", [0.0001, 0.003, 0.1, 0.6, 1.0])
def test_time_is_bounded(seconds: float) -> None:
    found, _, clock = bench(repeat(seconds))
    taken = clock.now - 100.0
    assert taken <= 6 * 5.0 + 3 + 13 * seconds
    assert found.summary.count >= (64 if seconds < 0.4 else 10)
    assert found.throughput.series.durations.size >= 2


def test_a_very_slow_network_gives_ten_samples_and_no_percentile() -> None:
    found, session, _ = bench(repeat(30.0))
    assert found.summary.count == 10
    assert len(session.batches) == (1 + 10) + (1 + 2)
    data = found.figures().to_data()
    assert all(data["latency_ms"][name] is None for name in data["withheld"])
    assert len(data["withheld"]) == 5
    assert data["throughput_interval"] is None
    assert data["warmup"] == {"samples": 1, "seconds": 30.0, "agreed": False}


def test_samples_that_are_asked_for_by_number_are_reached_however_long_they_take() -> None:
    patient = BenchSettings(min_samples=130, patience=float("inf"), scenario="single-stream")
    found, _, clock = bench(repeat(1.0), patient)
    assert found.summary.count == 130
    assert clock.now - 100.0 > 130
    assert found.figures().to_data()["latency_ms"]["p95"] == 1000.0


def test_warming_up_ends_when_windows_agree() -> None:
    settling = [1.0, *np.linspace(0.06, 0.02, 12)]
    found, _, _ = bench(chain(settling, repeat(0.02)), BenchSettings(seconds=20))
    warmup = found.latency.warmup
    assert warmup.agreed
    assert warmup.first == pytest.approx(1.0)
    assert 13 < warmup.calls < 25
    assert found.latency.series.durations.max() == pytest.approx(0.02)


def test_warming_up_is_long_enough_for_quick_networks() -> None:
    found, _, _ = bench(repeat(0.001))
    assert found.latency.warmup.agreed
    assert 0.2 <= found.latency.warmup.seconds < 0.3


def test_warming_up_takes_three_windows_at_least() -> None:
    found, _, _ = bench(repeat(0.02), BenchSettings(warmup_calls=1, warmup_seconds=0.0))
    assert found.latency.warmup.calls == 1 + 3 * 3


def test_warming_up_ends_by_time_where_windows_never_agree() -> None:
    growing = (0.01 * 1.05**step for step in range(10_000))
    found, _, _ = bench(growing)
    assert not found.latency.warmup.agreed
    assert 1.25 <= found.latency.warmup.seconds < 1.5
    assert not found.steadiness.steady
    assert found.steadiness.reason.startswith("latency: window")
    assert any(
        "warm-up hit its time limit before converging: single-stream" in line
        for line in lines(found.figures())
    )


def test_throttling_is_not_steady() -> None:
    found, _, _ = bench(chain(repeat(0.01, 300), repeat(0.02)))
    assert found.figures().to_data()["steady"] is False
    assert found.figures().to_data()["steady_reason"].startswith("latency: window")
    assert any("steady      no (latency: window" in line for line in lines(found.figures()))


def test_only_offline_slows_down() -> None:
    first, _, _ = bench(repeat(0.01))
    before = first.latency.warmup.calls + first.summary.count + first.throughput.warmup.calls + 50
    found, _, _ = bench(chain(repeat(0.01, before), repeat(0.02)))
    assert found.steadiness.reason.startswith("offline: window 1 of 5 is 50.0% below")


def test_varying_latencies_are_marked_and_do_not_contradict_a_steady_measurement() -> None:
    found, _, _ = bench(cycle([0.01] * 9 + [0.03]))
    assert found.figures().to_data()["coefficient_of_variation"] == pytest.approx(0.5, abs=0.01)
    warning = "single latencies vary: their coefficient of variation is 49.7%, above 2.5%"
    assert warning in found.figures().to_data()["warnings"]
    text = text_of(found)
    assert "(limit 5%)), but single latencies vary\n" in text
    assert "variation   49.7% (CoV of single latencies), above 2.5%: read the percentiles" in text
    assert text.count("49.7%") == 1
    calm, _, _ = bench(cycle([0.0100, 0.0101]))
    assert not any("vary" in line or "above" in line for line in lines(calm.figures()))


def test_each_scenario_has_a_session_of_its_own_that_was_opened_for_it() -> None:
    clock = Clock()
    held = Opened(Timed(clock, lambda _: repeat(0.01)), clock, load=0.25)
    found = measure(held.workload, tools=tools(clock)).figures().to_data()
    assert held.hints == ["latency", "throughput"]
    assert [row["load_ms"] for row in found["sessions"]] == [250.0, 250.0]
    assert [row["scenario"] for row in found["sessions"]] == ["single-stream", "offline"]


@pytest.mark.parametrize(
    ("scenario", "hint"),
    [("single-stream", "latency"), ("offline", "throughput"), ("multi-stream", "throughput")],
)
def test_one_scenario_alone(scenario: str, hint: str) -> None:
    clock = Clock()
    held = Opened(Timed(clock, lambda _: repeat(0.01)), clock)
    found = measure(held.workload, BenchSettings(scenario=scenario), tools(clock))
    data = found.figures().to_data()
    assert held.hints == [hint]
    assert data["scenario"] == data["throughput_scenario"] == scenario
    assert data["seconds"] == pytest.approx(5.0, abs=0.2)
    assert data["throughput"] == pytest.approx(100.0)


def test_any_batch_gives_latency_of_one_and_throughput_of_all() -> None:
    clock = Clock()
    session = Timed(clock, lambda size: repeat(0.01 * size**0.5), "batch")
    found = (
        measure(Opened(session, clock, batch=4).workload, tools=tools(clock)).figures().to_data()
    )
    assert found["scenario"] == "single-stream"
    assert (found["batch"], found["samples_per_query"]) == (4, 1)
    assert found["latency_ms"]["median"] == 10.0
    assert found["throughput"] == pytest.approx(200.0)
    ones = session.batches.index(4)
    assert set(session.batches[:ones]) == {1}
    assert set(session.batches[ones:]) == {4}


def test_a_fixed_batch_is_a_query_of_several_samples() -> None:
    clock = Clock()
    held = Opened(Timed(clock, lambda _: repeat(0.04), 4), clock, batch=4)
    found = measure(held.workload, tools=tools(clock)).figures().to_data()
    assert found["scenario"] == "multi-stream"
    assert (found["batch"], found["samples_per_query"]) == (4, 4)
    assert found["latency_ms"]["median"] == 40.0
    assert found["throughput"] == pytest.approx(100.0)
    assert set(held.session.batches) == {4}


def test_multi_stream_queries_are_cut_into_batches() -> None:
    clock = Clock()
    held = Opened(Timed(clock, lambda _: repeat(0.02), 4), clock, batch=4)
    settings = BenchSettings(scenario="multi-stream", samples_per_query=12)
    found = measure(held.workload, settings, tools(clock)).figures().to_data()
    assert found["samples_per_query"] == 12
    assert found["latency_ms"]["median"] == pytest.approx(60.0)
    assert found["throughput"] == pytest.approx(200.0)
    with pytest.raises(UsageError, match="not a multiple of the batch 4"):
        odd = BenchSettings(scenario="multi-stream", samples_per_query=6)
        measure(held.workload, odd, tools(clock))


@pytest.mark.parametrize(
    ("wanted", "workers", "size"),
    [(8, 3, 4), (8, 4, 2), (7, 2, 7), (1, 5, 1), (9, 2, 9), (6, 6, 1)],
)
def test_a_free_batch_divides_the_samples_of_a_query(wanted: int, workers: int, size: int) -> None:
    assert whole_batch(wanted, workers) == size


def test_a_device_that_takes_images_gets_one_at_a_time() -> None:
    clock = Clock()
    held = Opened(Timed(clock, lambda _: repeat(0.01), "n", input_kind="image"), clock, batch=8)
    found = measure(held.workload, tools=tools(clock)).figures().to_data()
    assert set(held.session.batches) == {1}
    assert found["batch"] == 1


@pytest.mark.parametrize("scenario", ["single-stream", "server"])
def test_scenarios_of_single_samples_refuse_a_fixed_batch(scenario: str) -> None:
    clock = Clock()
    held = Opened(Timed(clock, lambda _: repeat(0.01), 4), clock, batch=4)
    with pytest.raises(UsageError, match="compiled for batches of 4"):
        measure(held.workload, BenchSettings(scenario=scenario, target_qps=1), tools(clock))


def test_stored_outputs_have_no_speed() -> None:
    clock = Clock()
    held = Opened(Timed(clock, lambda _: repeat(0.01), input_kind="name"), clock)
    with pytest.raises(UsageError, match="no speed to measure"):
        measure(held.workload, tools=tools(clock))
    assert held.session.batches == []


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_settings_refuse_senseless_times(seconds: float) -> None:
    with pytest.raises(UsageError, match="--duration: a benchmark cannot take"):
        BenchSettings(seconds=seconds)


def test_settings_refuse_senseless_counts_and_names() -> None:
    with pytest.raises(UsageError, match="impossible"):
        BenchSettings(min_samples=5, least_samples=6)
    with pytest.raises(UsageError, match="impossible"):
        BenchSettings(least_samples=0)
    with pytest.raises(UsageError, match="did you mean 'server'"):
        BenchSettings(scenario="sever")
    with pytest.raises(UsageError, match="--target-qps"):
        BenchSettings(scenario="server")
    with pytest.raises(UsageError, match="impossible"):
        BenchSettings(scenario="server", target_qps=float("nan"))


def test_requirements_are_those_of_mlperf() -> None:
    enough, _, _ = bench(repeat(0.05))
    assert enough.requirements["early_stopping"] == {
        "wanted": 64, "have": enough.summary.count, "met": True, "percentile": "p90",
    }  # fmt: skip
    assert all(row["met"] for row in enough.requirements.values())
    few, _, _ = bench(repeat(1.0))
    assert few.requirements["queries"] == {"wanted": 64, "have": 28, "met": False}
    assert not few.requirements["early_stopping"]["met"]


def test_the_headline_is_loadgens_early_stopping_estimate() -> None:
    """Of 100 rising latencies LoadGen reports the 98th; the plain percentile is the 91st."""
    rising = (0.05 + 0.0001 * step for step in count())
    found, _, _ = bench(rising, BenchSettings(scenario="single-stream", min_samples=100))
    samples = np.sort(found.latency.series.milliseconds)[:100]
    head = found.figures().to_data()["headline"]
    assert found.summary.count == 100
    assert head == {
        "percentile": "p90", "ms": round(samples[97], 4), "rule": "early-stopping estimate",
    }  # fmt: skip
    assert found.figures().latency_ms["p90"] == round(samples[90], 4)
    told = f"MLPerf      p90 {samples[97]:.3f} ms, the early-stopping estimate\n"
    assert told in text_of(found)
    alone, _, _ = bench(repeat(0.01), BenchSettings(scenario="offline"))
    assert alone.figures().headline is None


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.4])
def test_the_default_takes_the_samples_that_the_headline_needs(seconds: float) -> None:
    found, _, _ = bench(repeat(seconds))
    assert found.summary.count >= 64
    assert found.headline is not None
    assert found.headline.ms == pytest.approx(seconds * 1e3)
    assert not any("withheld" in text for text in found.warnings())


def test_a_headline_that_is_withheld_is_a_warning_with_what_to_do() -> None:
    found, _, _ = bench(repeat(1.0))
    (text,) = (text for text in found.warnings() if "withheld" in text)
    assert text == (
        "p90, MLPerf's figure, is withheld: it needs 64, 28 samples were taken in 28 s; "
        "give --min-samples 64 to take them, however long that is"
    )
    assert f"warning     {text}" in text_of(found)
    assert "MLPerf      p90 n/a (needs 64 samples, have 28)" in text_of(found)


def test_data_is_json_and_holds_what_the_contract_names() -> None:
    found, _, _ = bench(repeat(0.01))
    data = json.loads(json.dumps(found.figures().to_data()))
    figures = ["median", "mean", "min", "max", "p90", "p95", "p97", "p99", "p99_9"]
    assert list(data["latency_ms"]) == figures
    assert data["device_name"] == "a device"
    assert (data["threads"], data["load_ms"], data["batch"]) == (2, 0.0, 1)
    assert {"cpu", "cpu_quota", "features", "load_average", "after"} <= set(data["environment"])
    assert {"load_average", "clock_mhz"} <= set(data["environment"]["after"])


def test_raw_samples_are_the_ones_the_figures_are_made_of() -> None:
    found, session, _ = bench(cycle([0.009, 0.010, 0.011]))
    raw = found.raw()
    assert len(raw["latency_ms"]) == found.summary.count
    assert len(raw["offline_batch_ms"]) == found.throughput.series.durations.size
    assert np.median(raw["latency_ms"]) == pytest.approx(
        found.figures().to_data()["latency_ms"]["median"]
    )
    assert raw["completed_ms"][-1] == pytest.approx(found.throughput.series.seconds * 1000)
    warm = found.latency.warmup.calls + found.throughput.warmup.calls
    assert len(session.batches) == warm + len(raw["latency_ms"]) + len(raw["offline_batch_ms"])


def text_of(found: Benchmark) -> str:
    return "\n".join(lines(found.figures()))


def test_lines_tell_all_figures() -> None:
    found, _, _ = bench(repeat(0.01))
    text = text_of(found)
    assert text.startswith("single-stream on a device, 2 threads\n")
    assert "median 10.000  mean 10.000  min 10.000  max 10.000 ms" in text
    assert "MLPerf      p90 10.000 ms, the early-stopping estimate\n" in text
    assert "p90         10.000 ms (at most 10.000 with 99% confidence)\n" in text
    assert "p99.9       n/a (needs 6,636 samples, have 50" in text
    assert "throughput  100.00 images/s (100.00 to 100.00), offline, 2" in text
    assert "loading     0 ms, first inference 10.0 ms" in text
    assert "steady      yes (5 windows agree within 0.0% (limit 5%))" in text


def test_a_busy_machine_is_told() -> None:
    found, _, _ = bench(repeat(0.01))
    busy = {**found.environment, "load_average": [1.5, 0, 0], "cpu_quota": 2}
    told = replace(found, environment=busy).warnings()
    assert "the load was 1.5 on 2 processors before the start" in told


def test_progress_is_told_between_queries() -> None:
    clock, told = Clock(), list[str]()
    held = Opened(Timed(clock, lambda _: repeat(0.5)), clock)
    measure(held.workload, BenchSettings(seconds=12), tools(clock, told))
    assert told[:3] == [
        "single-stream: loading",
        "single-stream: warming up",
        "single-stream: measuring for 12 s",
    ]
    assert "single-stream: 10 queries in 5 s" in told
    assert "offline: measuring for 6 s" in told


def test_an_interrupt_passes_through() -> None:
    def stopped() -> Iterator[float]:
        yield from repeat(0.01, 30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(stopped())
