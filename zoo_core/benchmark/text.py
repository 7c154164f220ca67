"""The figures of a benchmark as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.benchmark import statistics
from zoo_core.benchmark.result import BENCHMARK_START
from zoo_core.errors import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from zoo_core.benchmark.result import Benchmark, Figures

HEAD = "-- zoo bench, in the form of vamp's block; measured by zoo, not by vamp --"
"""The first line of a block."""

_WIDTH = 12


def lines(figures: Figures) -> list[str]:
    """The figures, one to a line."""
    threads, size = figures.threads, figures.samples_per_query
    using = f", {counted(threads, 'thread')}" if threads else ""
    several = f" of {size} samples" if size > 1 else ""
    head = f"{figures.scenario}{several} on {figures.device_name}{using}"
    return [head, *(row(name, text) for name, text in _rows(figures))]


def row(name: str, text: str) -> str:
    """One figure of a block."""
    return f"  {name:<{_WIDTH}}{text}"


def block(result: Benchmark, device: str) -> list[str]:
    """The figures in the form that profilers of accelerators print (microseconds, qps).

    "e2e latency" is that of a batch where as many run at once as the network takes (offline), with
    what it waits for in the session; "model latency" that of one query alone.
    """
    throughput, latency = result.throughput.series, result.latency.series
    return [
        HEAD,
        f"- number of instances in each device: {throughput.workers}",
        f"devices: [{device}]",
        f"batch size: {throughput.samples_per_query}",
        f"samples: {throughput.samples_per_query * throughput.durations.size}",
        f"forward time (s): {throughput.seconds:.6g}",
        f"throughput (qps): {throughput.samples_per_second:.6g}",
        "e2e latency (us):",
        *_latency(throughput.durations),
        "model latency (us):",
        *_latency(latency.work),
    ]


def _latency(seconds: NDArray[np.float64]) -> Iterator[str]:
    for name, value in (("avg", seconds.mean()), ("min", seconds.min()), ("max", seconds.max())):
        yield f"    {name} latency: {value * 1e6:.0f}"


def _rows(figures: Figures) -> Iterator[tuple[str, str]]:
    kind = "batches" if figures.scenario == "offline" else "samples"
    warm = f"after {figures.warmup_samples} to warm up"
    yield kind, f"{figures.samples:,} in {figures.seconds:.1f} s, {warm}"
    yield from _headline(figures)
    named = ("median", "mean", "min", "max")
    yield "latency", "  ".join(f"{name} {figures.latency_ms[name]:.3f}" for name in named) + " ms"
    for name in statistics.PERCENTILES:
        yield name.replace("_", "."), _percentile(figures, name)
    yield from _arrivals(figures)
    yield "throughput", _throughput(figures)
    first = f"first inference {figures.first_inference_ms:.1f} ms"
    yield "loading", f"{figures.load_ms:.0f} ms, {first}"
    yield from _memory(figures)
    yield "machine", _machine(figures)
    varies = ", but single latencies vary" if figures.steady and figures.varies else ""
    yield "steady", f"{'yes' if figures.steady else 'no'} ({figures.steady_reason}){varies}"
    above = f", above {statistics.COV_LIMIT:.1%}: read the percentiles" if figures.varies else ""
    share = f"{figures.coefficient_of_variation:.1%}"
    yield "variation", f"{share} (CoV of single latencies){above}"
    yield from (("warning", text) for text in figures.doubts)


def _headline(figures: Figures) -> Iterator[tuple[str, str]]:
    head = figures.headline
    if head is None:
        return
    value = _percentile(figures, head.percentile) if head.ms is None else f"{head.ms:.3f} ms"
    how = "" if head.ms is None else f", the {head.rule}"
    yield "MLPerf", f"{head.percentile} {value}{how}"


def _percentile(figures: Figures, name: str) -> str:
    value = figures.latency_ms[name]
    if value is None:
        return f"n/a (needs {figures.withheld[name]:,} samples, have {figures.samples:,})"
    bound = figures.early_stopping_ms[name]
    return f"{value:.3f} ms (at most {bound:.3f} with {statistics.CONFIDENCE:.0%} confidence)"


def _arrivals(figures: Figures) -> Iterator[tuple[str, str]]:
    server = figures.server
    if server is None:
        return
    offered = f"offered {server.offered_qps:.2f}/s, completed {server.completed_qps:.2f}/s"
    workers = counted(figures.workers, "worker")
    share = f"{server.utilisation:.0%} of the time of {workers}"
    yield "queries/s", f"target {server.target_qps:g}/s, {offered}; {share}"
    if server.overload:
        yield "overloaded", server.overload


def _throughput(figures: Figures) -> str:
    ends = figures.throughput_interval
    between = f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else ""
    rate = f"{figures.throughput:.2f} images/s{between}, {figures.throughput_scenario}"
    if figures.throughput_scenario != "offline":
        return rate
    at_once = f", {figures.workers} at once" if figures.workers > 1 else ""
    return f"{rate}, {figures.batches} batches of {figures.batch}{at_once}"


def _memory(figures: Figures) -> Iterator[tuple[str, str]]:
    memory = figures.memory
    if memory.peak_bytes:
        before = f", {memory.before_bytes / 1e6:.0f} MB before" if memory.before_bytes else ""
        whole = "" if memory.peak_since == BENCHMARK_START else " (of the whole process)"
        yield "memory", f"at most {memory.peak_bytes / 1e6:.0f} MB{whole}{before}"


def _machine(figures: Figures) -> str:
    place = figures.environment
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
