"""The figures in the form of the block that vendors' profilers print (microseconds, qps)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from zoo_core.benchmark.result import Benchmark

HEAD = "-- zoo bench, in the form of vamp's block; measured by zoo, not by vamp --"


def block(found: Benchmark, device: str) -> list[str]:
    """Lines in vamp's order and units.

    "e2e latency" is that of a batch where as many run at once as the session takes (offline), with
    what it waits for in the session; "model latency" that of one query alone. What vamp reads from
    its device, utilisation and memory, zoo does not know.
    """
    throughput, latency = found.throughput.series, found.latency.series
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
