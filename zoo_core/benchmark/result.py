"""What a measurement found, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zoo_core.benchmark import statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.benchmark.series import Series, Warmup
    from zoo_core.benchmark.settings import BenchSettings

_BLOCKS = 200

RANKED = {"single-stream": "p90", "multi-stream": "p99", "server": "p99"}
"""The percentile that MLPerf ranks a scenario by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One scenario on one session. `threads` None stands for what is not known."""

    series: Series
    warmup: Warmup
    hint: str
    threads: int | None
    load_ms: float

    def to_data(self) -> dict[str, Any]:
        """The JSON form, without the series."""
        return {
            "scenario": self.series.scenario,
            "hint": self.hint,
            "threads": self.threads,
            "workers": self.series.workers,
            "warmup": self.warmup.to_data(),
            "first_inference_ms": milli(self.warmup.first * 1e3),
            "load_ms": milli(self.load_ms),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes the process held before the network was loaded, and at most; None where not told.

    `fresh` is false where the peak is that of the whole process, not of the measurement.
    """

    before: int | None
    peak: int | None
    fresh: bool

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        since = "the benchmark's start" if self.fresh else "the process's start"
        return {"before_bytes": self.before, "peak_bytes": self.peak, "peak_since": since}


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One measurement: latency, throughput (one scenario's, or two scenarios'), and where."""

    device_name: str
    settings: BenchSettings
    latency: Take
    throughput: Take
    memory: Memory
    environment: Mapping[str, Any]

    @cached_property
    def summary(self) -> statistics.Summary:
        """The figures of the latency, in milliseconds."""
        return statistics.summarise(self.latency.series.milliseconds)

    @cached_property
    def steadiness(self) -> statistics.Steadiness:
        """Whether runs took the same time throughout, where they are enough to tell."""
        first, second = self.latency.series, self.throughput.series
        arrivals = first.arrivals
        if arrivals and arrivals.overloaded:
            return statistics.Steadiness(False, f"overloaded: {arrivals.overloaded}")
        rule = self.settings.steady
        latency = rule.judge(first.work)
        if first is second:
            return latency
        if not latency.steady:
            return statistics.Steadiness(False, f"latency: {latency.reason}")
        if second.work.size < rule.windows * rule.least:
            return latency
        batches = rule.judge(second.work)
        return (
            latency
            if batches.steady
            else statistics.Steadiness(False, f"offline: {batches.reason}")
        )

    @cached_property
    def throughput_interval(self) -> tuple[float, float] | None:
        """Images/s between which the throughput lies with 95 % confidence; None for few queries.

        By a bootstrap of blocks of consecutive completions, which keeps slow drifts together, and
        the workers that take turns.
        """
        return interval(self.throughput.series, self.settings.least_samples)

    @property
    def requirements(self) -> dict[str, Any]:
        """What MLPerf asks of a valid result: duration, queries, early stopping."""
        series, settings = self.latency.series, self.settings
        wanted = RANKED.get(series.scenario)
        known = wanted is None or self.summary.percentiles[wanted] is not None
        arrived = series.seconds >= settings.seconds * 0.999
        found: dict[str, Any] = {
            "duration": {"wanted": settings.seconds, "have": series.seconds, "met": arrived},
            "queries": _count(settings.min_samples, self.summary.count),
        }
        if wanted:
            found["early_stopping"] = {
                **_count(
                    statistics.samples_needed(statistics.PERCENTILES[wanted]), self.summary.count
                ),
                "percentile": wanted,
                "met": known,
            }
        return found

    def to_data(self) -> dict[str, Any]:
        """The `benchmark` object of reports; `raw` holds the samples."""
        summary, steady = self.summary, self.steadiness
        interval = self.throughput_interval
        latency, throughput = self.latency, self.throughput
        arrivals = latency.series.arrivals
        return {
            "scenario": latency.series.scenario,
            "throughput": round(throughput.series.samples_per_second, 4),
            "throughput_scenario": throughput.series.scenario,
            "throughput_interval": [round(end, 4) for end in interval] if interval else None,
            "latency_ms": {name: milli(value) for name, value in summary.to_data().items()},
            "withheld": dict(summary.withheld),
            "early_stopping_ms": {n: milli(bound.value) for n, bound in summary.bounds.items()},
            "samples": summary.count,
            "samples_per_query": latency.series.samples_per_query,
            "seconds": round(latency.series.seconds, 4),
            "coefficient_of_variation": round(self.variation, 5),
            "steady": steady.steady,
            "steady_reason": steady.reason,
            "requirements": self.requirements,
            "warnings": self.warnings(),
            "device_name": self.device_name,
            "threads": latency.threads,
            "workers": throughput.series.workers,
            "batch": throughput.series.samples_per_query,
            "batches": int(throughput.series.durations.size),
            "warmup_samples": latency.warmup.calls,
            "warmup": latency.warmup.to_data(),
            "first_inference_ms": milli(latency.warmup.first * 1e3),
            "load_ms": milli(latency.load_ms),
            "sessions": [take.to_data() for take in self.takes],
            "server": arrivals.to_data() if arrivals else None,
            "memory": self.memory.to_data(),
            "input": "seeded noise, one batch repeated",
            "percentile_definition": "nearest rank, sorted[ceil(p * n) - 1]",
            "environment": dict(self.environment),
        }

    @property
    def takes(self) -> list[Take]:
        """One for each scenario."""
        return [self.latency, *([self.throughput] if self.throughput is not self.latency else [])]

    @cached_property
    def variation(self) -> float:
        """The coefficient of variation of single latencies."""
        return statistics.variation(self.latency.series.work)

    @property
    def varies(self) -> bool:
        """Whether that is worth a warning; a steady measurement may vary like that throughout."""
        return self.variation > statistics.COV_LIMIT

    def warnings(self) -> list[str]:
        """What makes the figures doubtful, one sentence each."""
        limit = f"{statistics.COV_LIMIT:.1%}"
        told = f"coefficient of variation is {self.variation:.1%}, above {limit}"
        varying = [f"single latencies vary: their {told}"] if self.varies else []
        return [*varying, *self.doubts()]

    def doubts(self) -> list[str]:
        """The warnings beside that of the variation."""
        found = []
        load, quota = self.environment.get("load_average"), self.environment.get("cpu_quota") or 1
        if load and load[0] > 0.5 * quota:
            found.append(f"the load was {load[0]:g} on {quota:g} processors before the start")
        cut = [take.series.scenario for take in self.takes if not take.warmup.agreed]
        if cut:
            found.append(
                f"warming up was ended by time, its windows did not agree: {', '.join(cut)}"
            )
        return found

    def raw(self) -> dict[str, list[float]]:
        """Every sample in milliseconds, in order: of the latency, and of offline batches."""
        latency, throughput = self.latency.series, self.throughput.series
        found = {"latency_ms": _list(latency.durations)}
        if latency.service is not None:
            found["service_ms"] = _list(latency.service)
        if throughput is not latency:
            found["offline_batch_ms"] = _list(throughput.durations)
        found["completed_ms"] = _list(throughput.ends)
        return found


def interval(series: Series, least: int) -> tuple[float, float] | None:
    """Samples/s of a series between which the truth lies with 95 % confidence; None for few."""
    gaps = series.gaps
    if gaps.size < max(least, 2 * series.workers):
        return None
    how = statistics.Resampling(block=max(series.workers, math.ceil(gaps.size / _BLOCKS)))
    short, long = statistics.bootstrap_interval(gaps, "mean", how)
    return series.samples_per_query / long, series.samples_per_query / short


def milli(value: float | None) -> float | None:
    """Milliseconds as they are written."""
    return None if value is None else round(value, 4)


def _count(wanted: int, have: int) -> dict[str, Any]:
    return {"wanted": wanted, "have": have, "met": have >= wanted}


def _list(seconds: Any) -> list[float]:
    return [round(value * 1e3, 6) for value in seconds.tolist()]
