"""What a measurement found, as data and as lines."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zoo_core import stats
from zoo_core.host import cpu_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.bench.series import Series, Warmup
    from zoo_core.bench.settings import BenchSettings

_BLOCKS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the caller knows of the session: its device, its threads, and how long it took to load.

    None stands for what is not known.
    """

    device_name: str = field(default_factory=cpu_name)
    threads: int | None = None
    load_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One measurement: latency of single queries, offline throughput, and where it was taken."""

    subject: Subject
    settings: BenchSettings
    warmup: Warmup
    latency: Series
    offline: Series
    environment: Mapping[str, Any]

    @cached_property
    def summary(self) -> stats.Summary:
        """The figures of the latency, in milliseconds."""
        return stats.summarise(self.latency.milliseconds)

    @cached_property
    def steadiness(self) -> stats.Steadiness:
        """Whether latency stayed the same, and throughput where batches are enough to tell."""
        rule = self.settings.steady
        latency = rule.judge(self.latency.durations)
        if not latency.steady:
            return stats.Steadiness(False, f"latency: {latency.reason}")
        if self.offline.durations.size < rule.windows * rule.least:
            return latency
        batches = rule.judge(self.offline.durations)
        return latency if batches.steady else stats.Steadiness(False, f"offline: {batches.reason}")

    @cached_property
    def throughput_interval(self) -> tuple[float, float] | None:
        """Images/s between which the throughput lies with 95 % confidence; None for few batches.

        By a bootstrap of blocks of consecutive batches, which keeps slow drifts together.
        """
        durations = self.offline.durations
        if durations.size < self.settings.least_samples:
            return None
        how = stats.Resampling(block=math.ceil(durations.size / _BLOCKS))
        short, long = stats.bootstrap_interval(durations, "mean", how)
        size = self.offline.samples_per_query
        return size / long, size / short

    def to_data(self) -> dict[str, Any]:
        """The `benchmark` object of reports; `raw` holds the samples."""
        summary, steady = self.summary, self.steadiness
        interval = self.throughput_interval
        return {
            "scenario": self.latency.scenario,
            "throughput": round(self.offline.samples_per_second, 4),
            "throughput_interval": [round(end, 4) for end in interval] if interval else None,
            "latency_ms": {name: _ms(value) for name, value in summary.to_data().items()},
            "withheld": dict(summary.withheld),
            "early_stopping_ms": {n: _ms(bound.value) for n, bound in summary.bounds.items()},
            "samples": summary.count,
            "samples_per_query": self.latency.samples_per_query,
            "coefficient_of_variation": round(summary.variation, 5),
            "steady": steady.steady,
            "steady_reason": steady.reason,
            "device_name": self.subject.device_name,
            "threads": self.subject.threads,
            "batch": self.offline.samples_per_query,
            "batches": int(self.offline.durations.size),
            "warmup_samples": self.warmup.calls,
            "warmup": self.warmup.to_data(),
            "first_inference_ms": _ms(self.warmup.first * 1e3),
            "load_ms": _ms(self.subject.load_ms),
            "input": "one batch, repeated",
            "environment": dict(self.environment),
        }

    def raw(self) -> dict[str, list[float]]:
        """Every sample in milliseconds, in order: of single queries, and of offline batches."""
        return {
            "latency_ms": [round(value, 6) for value in self.latency.milliseconds.tolist()],
            "offline_batch_ms": [round(value, 6) for value in self.offline.milliseconds.tolist()],
        }

    def lines(self) -> list[str]:
        """The figures for a terminal."""
        return [
            f"{self.latency.scenario} on {self._place()}",
            *(f"  {name:<11}{text}" for name, text in self._rows()),
        ]

    def _place(self) -> str:
        threads = self.subject.threads
        told = f", {threads} thread{'s' * (threads != 1)}" if threads else ""
        return f"{self.subject.device_name}{told}"

    def _rows(self) -> Iterator[tuple[str, str]]:
        summary, warmup = self.summary, self.warmup
        cut = "" if warmup.agreed else " (ended by time, its windows did not agree)"
        warm = f"after {warmup.calls} to warm up{cut}"
        yield "samples", f"{summary.count:,} in {self.latency.seconds:.1f} s, {warm}"
        figures = summary.to_data()
        named = ("median", "mean", "min", "max")
        yield "latency", "  ".join(f"{name} {figures[name]:.3f}" for name in named) + " ms"
        yield from ((name.replace("_", "."), self._percentile(name)) for name in stats.PERCENTILES)
        yield "throughput", self._throughput()
        yield "loading", self._loading()
        yield "steady", f"{'yes' if self.steadiness.steady else 'no'} ({self.steadiness.reason})"
        unstable = summary.variation > stats.COV_LIMIT
        warning = f", unstable: above {stats.COV_LIMIT:.1%}" if unstable else ""
        yield "variation", f"{summary.variation:.1%}{warning}"

    def _percentile(self, name: str) -> str:
        summary = self.summary
        value = summary.percentiles[name]
        if value is None:
            return f"n/a (needs {summary.withheld[name]:,} samples, have {summary.count:,})"
        bound = summary.bounds[name].value
        return f"{value:.3f} ms (at most {bound:.3f} with {stats.CONFIDENCE:.0%} confidence)"

    def _throughput(self) -> str:
        interval = self.throughput_interval
        told = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
        where = (
            f"offline, {self.offline.durations.size} batches of {self.offline.samples_per_query}"
        )
        return f"{self.offline.samples_per_second:.2f} images/s{told}, {where}"

    def _loading(self) -> str:
        load = self.subject.load_ms
        told = "" if load is None else f"{load:.0f} ms, "
        return f"{told}first inference {self.warmup.first * 1e3:.1f} ms"


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
