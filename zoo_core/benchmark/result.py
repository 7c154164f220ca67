"""The result of a measurement: series with their statistics, and the figures that reports hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from zoo_core.benchmark import statistics
from zoo_core.benchmark.series import Arrivals
from zoo_core.benchmark.settings import EARLY_STOPPING, RANKED
from zoo_core.system.record import Parts, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.benchmark.series import Series, Warmup
    from zoo_core.benchmark.settings import BenchSettings

_BLOCKS = 200

BENCHMARK_START, PROCESS_START = "the benchmark's start", "the process's start"
"""Since when a peak of memory counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory(Record):
    """Bytes of the process before the network was loaded, and at most; None where not known.

    `peak_since` says since when the peak counts.
    """

    before_bytes: int | None
    peak_bytes: int | None
    peak_since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline(Record):
    """The latency that MLPerf ranks a scenario by; `ms` is None with too few samples.

    It is the early-stopping estimate of the percentile where `rule` says so, else the percentile.
    """

    percentile: str
    ms: float | None
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures(Record):
    """The figures of a benchmark as reports hold them: times in ms or s as named, rates per second.

    `withheld` names the percentiles that have too few samples, with how many they need;
    `early_stopping_ms` bounds the true value of the others. `headline` is None for offline alone.
    `sessions` has a row for each scenario.
    """

    parts: ClassVar[Parts] = {"server": Arrivals, "memory": Memory, "headline": Headline}

    scenario: str
    throughput: float
    throughput_scenario: str
    throughput_interval: tuple[float, ...] | None
    latency_ms: Mapping[str, float | None]
    headline: Headline | None = None
    withheld: Mapping[str, int]
    early_stopping_ms: Mapping[str, float]
    samples: int
    samples_per_query: int
    seconds: float
    coefficient_of_variation: float
    steady: bool
    steady_reason: str
    requirements: Mapping[str, Any]
    warnings: tuple[str, ...]
    device_name: str
    threads: int | None
    workers: int
    batch: int
    batches: int
    warmup_samples: int
    warmup: Mapping[str, Any]
    first_inference_ms: float
    load_ms: float
    sessions: tuple[Mapping[str, Any], ...]
    server: Arrivals | None
    memory: Memory
    input: str = "seeded noise, one batch repeated"
    percentile_definition: str = "LoadGen's, sorted[floor(n * p)]"
    environment: Mapping[str, Any]

    @property
    def varies(self) -> bool:
        """Whether single latencies vary; a steady measurement may vary like that throughout."""
        return self.coefficient_of_variation > statistics.COV_LIMIT

    @property
    def doubts(self) -> tuple[str, ...]:
        """The warnings beside that of the variation."""
        return self.warnings[1:] if self.varies else self.warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRun:
    """One scenario on one open network. `threads` is None where that is not known."""

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
            "first_inference_ms": milli(self.warmup.first),
            "load_ms": round(self.load_ms, 4),
        }


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One measurement: latency, throughput (one scenario's, or two scenarios'), and where."""

    device_name: str
    settings: BenchSettings
    latency: ScenarioRun
    throughput: ScenarioRun
    memory: Memory
    environment: Mapping[str, Any]

    @cached_property
    def summary(self) -> statistics.Summary:
        """The figures of the latency, in milliseconds."""
        return statistics.summarise(self.latency.series.milliseconds)

    @cached_property
    def steadiness(self) -> statistics.Steadiness:
        """Whether runs took the same time throughout, where there are enough to judge."""
        first, second = self.latency.series, self.throughput.series
        arrivals = first.arrivals
        if arrivals and arrivals.overload:
            return statistics.Steadiness(False, f"overloaded: {arrivals.overload}")
        rule = self.settings.steady
        latency = rule.judge(first.work)
        if first is second:
            return latency
        if not latency.steady:
            return statistics.Steadiness(False, f"latency: {latency.reason}")
        if second.work.size < rule.windows * rule.least:
            return latency
        batches = rule.judge(second.work)
        if batches.steady:
            return latency
        return statistics.Steadiness(False, f"offline: {batches.reason}")

    @property
    def requirements(self) -> dict[str, Any]:
        """What MLPerf asks of a valid result: duration, queries, early stopping."""
        series, settings, count = self.latency.series, self.settings, self.summary.count
        ranked = RANKED.get(series.scenario)
        arrived = series.seconds >= settings.seconds * 0.999
        rows: dict[str, Any] = {
            "duration": {"wanted": settings.seconds, "have": series.seconds, "met": arrived},
            "queries": _count(settings.min_samples, count),
        }
        if ranked:
            needed = statistics.samples_needed(statistics.PERCENTILES[ranked])
            known = self.summary.percentiles[ranked] is not None
            row = {**_count(needed, count), "percentile": ranked, "met": known}
            rows["early_stopping"] = row
        return rows

    @property
    def headline(self) -> Headline | None:
        """The figure by which MLPerf ranks the scenario of the latency."""
        scenario = self.latency.series.scenario
        name = RANKED.get(scenario)
        if name is None:
            return None
        early = scenario in EARLY_STOPPING
        value = self.summary.bounds.get(name) if early else self.summary.percentiles[name]
        rule = "early-stopping estimate" if early else "percentile"
        return Headline(percentile=name, ms=value and round(value, 4), rule=rule)

    def figures(self) -> Figures:
        """What reports hold; `raw` has the samples."""
        summary, latency, throughput = self.summary, self.latency, self.throughput
        ends = interval(throughput.series, self.settings.least_samples)
        return Figures(
            scenario=latency.series.scenario,
            throughput=round(throughput.series.samples_per_second, 4),
            throughput_scenario=throughput.series.scenario,
            throughput_interval=tuple(round(end, 4) for end in ends) if ends else None,
            latency_ms={
                name: value and round(value, 4) for name, value in summary.to_data().items()
            },
            withheld=dict(summary.withheld),
            early_stopping_ms={name: round(bound, 4) for name, bound in summary.bounds.items()},
            samples=summary.count,
            samples_per_query=latency.series.samples_per_query,
            seconds=round(latency.series.seconds, 4),
            coefficient_of_variation=round(self.variation, 5),
            steady=self.steadiness.steady,
            steady_reason=self.steadiness.reason,
            requirements=self.requirements,
            warnings=tuple(self.warnings()),
            device_name=self.device_name,
            threads=latency.threads,
            workers=throughput.series.workers,
            batch=throughput.series.samples_per_query,
            batches=int(throughput.series.durations.size),
            warmup_samples=latency.warmup.calls,
            warmup=latency.warmup.to_data(),
            first_inference_ms=milli(latency.warmup.first),
            load_ms=round(latency.load_ms, 4),
            sessions=tuple(run.to_data() for run in self.runs),
            server=latency.series.arrivals,
            memory=self.memory,
            environment=dict(self.environment),
            headline=self.headline,
        )

    @property
    def runs(self) -> list[ScenarioRun]:
        """One for each scenario."""
        return [self.latency, *([self.throughput] if self.throughput is not self.latency else [])]

    @cached_property
    def variation(self) -> float:
        """The coefficient of variation of single latencies."""
        return statistics.variation(self.latency.series.work)

    def warnings(self) -> list[str]:
        """What makes the figures doubtful, one sentence each; that of the variation comes first."""
        texts = []
        if round(self.variation, 5) > statistics.COV_LIMIT:
            above = f"is {self.variation:.1%}, above {statistics.COV_LIMIT:.1%}"
            texts.append(f"single latencies vary: their coefficient of variation {above}")
        load, quota = self.environment.get("load_average"), self.environment.get("cpu_quota") or 1
        if load and load[0] > 0.5 * quota:
            texts.append(f"the load was {load[0]:g} on {quota:g} processors before the start")
        cut = [run.series.scenario for run in self.runs if not run.warmup.agreed]
        if cut:
            texts.append(f"warm-up hit its time limit before converging: {', '.join(cut)}")
        if self.headline and self.headline.ms is None:
            texts.append(self._withheld(self.headline.percentile))
        return texts

    def _withheld(self, name: str) -> str:
        needed, seconds = self.summary.withheld[name], self.latency.series.seconds
        taken = f"{self.summary.count:,} samples were taken in {seconds:.0f} s"
        step = f"give --min-samples {needed} to take them, however long that is"
        return f"{name}, MLPerf's figure, is withheld: it needs {needed:,}, {taken}; {step}"

    def raw(self) -> dict[str, list[float]]:
        """Every sample in milliseconds, in order: of the latency, and of offline batches."""
        latency, throughput = self.latency.series, self.throughput.series
        samples = {"latency_ms": _list(latency.durations)}
        if latency.service is not None:
            samples["service_ms"] = _list(latency.service)
        if throughput is not latency:
            samples["offline_batch_ms"] = _list(throughput.durations)
        samples["completed_ms"] = _list(throughput.ends)
        return samples


def interval(series: Series, least: int) -> tuple[float, float] | None:
    """Samples/s of a series between which the truth lies with 95 % confidence; None for few.

    By a bootstrap of blocks of consecutive completions, which keeps slow drifts together, and the
    workers that take turns.
    """
    gaps = series.gaps
    if gaps.size < max(least, 2 * series.workers):
        return None
    block = max(series.workers, math.ceil(gaps.size / _BLOCKS))
    short, long = statistics.mean_interval(gaps, block)
    return series.samples_per_query / long, series.samples_per_query / short


def milli(seconds: float) -> float:
    """Seconds as milliseconds, as they are written."""
    return round(seconds * 1e3, 4)


def _count(least: int, have: int) -> dict[str, Any]:
    return {"wanted": least, "have": have, "met": have >= least}


def _list(seconds: Any) -> list[float]:
    return [round(value * 1e3, 6) for value in seconds.tolist()]
