"""What a measurement found, as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.benchmark import statistics
from zoo_core.benchmark.result import RANKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.benchmark.result import Benchmark

_WIDTH = 12


def lines(found: Benchmark) -> list[str]:
    """The figures, one to a line."""
    series, threads = found.latency.series, found.latency.threads
    told = f", {threads} thread{'s' * (threads != 1)}" if threads else ""
    size = series.samples_per_query
    several = f" of {size} samples" if size > 1 else ""
    return [
        f"{series.scenario}{several} on {found.device_name}{told}",
        *(row(name, text) for name, text in _rows(found)),
    ]


def row(name: str, text: str) -> str:
    """One figure of a block."""
    return f"  {name:<{_WIDTH}}{text}"


def _rows(found: Benchmark) -> Iterator[tuple[str, str]]:
    summary, latency = found.summary, found.latency
    warm = f"after {latency.warmup.calls} to warm up"
    kind = "batches" if latency.series.scenario == "offline" else "samples"
    yield kind, f"{summary.count:,} in {latency.series.seconds:.1f} s, {warm}"
    figures = summary.to_data()
    named = ("median", "mean", "min", "max")
    yield "latency", "  ".join(f"{name} {figures[name]:.3f}" for name in named) + " ms"
    for name in statistics.PERCENTILES:
        ranked = ", MLPerf's figure" if RANKED.get(latency.series.scenario) == name else ""
        yield name.replace("_", "."), _percentile(summary, name) + ranked
    yield from _arrivals(found)
    yield "throughput", _throughput(found)
    yield "loading", _loading(found)
    yield from _memory(found)
    yield "machine", _machine(found)
    yield "steady", _steady(found)
    yield "variation", _variation(found)
    yield from (("warning", text) for text in found.doubts())


def _steady(found: Benchmark) -> str:
    if not found.steadiness.steady:
        return f"no ({found.steadiness.reason})"
    but = ", but single latencies vary" if found.varies else ""
    return f"yes ({found.steadiness.reason}){but}"


def _variation(found: Benchmark) -> str:
    above = f", above {statistics.COV_LIMIT:.1%}: read the percentiles" if found.varies else ""
    return f"{found.variation:.1%} (CoV of single latencies){above}"


def _percentile(summary: statistics.Summary, name: str) -> str:
    value = summary.percentiles[name]
    if value is None:
        return f"n/a (needs {summary.withheld[name]:,} samples, have {summary.count:,})"
    bound = summary.bounds[name].value
    return f"{value:.3f} ms (at most {bound:.3f} with {statistics.CONFIDENCE:.0%} confidence)"


def _arrivals(found: Benchmark) -> Iterator[tuple[str, str]]:
    arrivals = found.latency.series.arrivals
    if arrivals is None:
        return
    rates = (
        f"{arrivals.target:g} wanted, {arrivals.offered:.2f} came, {arrivals.completed:.2f} done"
    )
    workers = found.latency.series.workers
    crew = f"{workers} worker{'s' * (workers != 1)}"
    yield "queries/s", f"{rates}; {arrivals.utilisation:.0%} of the time of {crew}"
    if arrivals.overloaded:
        yield "overloaded", arrivals.overloaded


def _throughput(found: Benchmark) -> str:
    interval, series = found.throughput_interval, found.throughput.series
    told = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    if series.scenario != "offline":
        return f"{series.samples_per_second:.2f} images/s{told}, {series.scenario}"
    crew = f", {series.workers} at once" if series.workers > 1 else ""
    size = series.samples_per_query
    where = f"offline, {series.durations.size} batches of {size}{crew}"
    return f"{series.samples_per_second:.2f} images/s{told}, {where}"


def _loading(found: Benchmark) -> str:
    warmup = found.latency.warmup
    return f"{found.latency.load_ms:.0f} ms, first inference {warmup.first * 1e3:.1f} ms"


def _memory(found: Benchmark) -> Iterator[tuple[str, str]]:
    memory = found.memory
    if memory.peak:
        before = f", {memory.before / 1e6:.0f} MB before" if memory.before else ""
        whole = "" if memory.fresh else " (of the whole process)"
        yield "memory", f"at most {memory.peak / 1e6:.0f} MB{whole}{before}"


def _machine(found: Benchmark) -> str:
    place = found.environment
    after = place.get("after") or {}
    parts = [f"{place['cpu_quota']:g} of {place['cpu_count']} processors"]
    parts += [f"governor {place['governor']}"] if place.get("governor") else []
    parts += _change(place.get("clock_mhz"), after.get("clock_mhz"), "MHz")
    parts += _change(place.get("temperature_celsius"), after.get("temperature_celsius"), "°C")
    load = place.get("load_average")
    parts += [f"load {load[0]:g} before"] if load else []
    parts += [f"{name}={value}" for name, value in place.get("variables", {}).items()]
    return ", ".join([*parts, " ".join(place["features"])])


def _change(before: float | None, after: float | None, unit: str) -> list[str]:
    if before is None:
        return []
    later = f" to {after:.0f}" if after is not None and round(after) != round(before) else ""
    return [f"{before:.0f}{later} {unit}"]
