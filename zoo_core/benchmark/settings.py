"""What to measure, for how long, and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from zoo_core.benchmark.statistics import SteadyRule
from zoo_core.errors import UsageError, did_you_mean

SCENARIOS = {
    "single-stream": "one sample after the other; latency",
    "multi-stream": "queries of several samples, one after the other; latency of a query",
    "server": "samples arrive at random at a given rate; latency from when they should arrive",
    "offline": "all samples are there; throughput",
}
"""MLPerf's scenarios, each with what it is."""

RANKED = {"single-stream": "p90", "multi-stream": "p99", "server": "p99"}
"""The percentile that MLPerf ranks a scenario by."""

EARLY_STOPPING = frozenset({"single-stream", "multi-stream"})
"""Scenarios whose ranked figure is the early-stopping estimate of that percentile."""

_BATCHES = 2
_BRIEF = 1.5
"""How many times its usual length offline takes at most: its figure is not a percentile."""


@dataclass(frozen=True, slots=True)
class Stop:
    """When a series is long enough: both `seconds` and `samples`, or the deadline and `least`."""

    seconds: float
    samples: int
    deadline: float
    least: int

    def __call__(self, count: int, seconds: float, since_began: float) -> bool:
        """Whether `count` queries in `seconds` will do; `since_began` counts the warm-up too."""
        if count < self.least:
            return False
        complete = count >= self.samples and seconds >= self.seconds
        return complete or since_began >= self.deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """What a measurement takes at most, and at least; all times in seconds.

    `scenario` None is single-stream for `seconds`, then offline for half of that. A scenario ends
    when it has taken `seconds` and has `min_samples` queries, but for the sake of the latter no
    later than `patience * seconds` after its start once `least_samples` are there. The defaults
    give a 90th percentile (64 queries) to networks of up to 0.4 s, within 30 s.
    `target_qps` is the mean rate of arrivals for server, whose gaps `seed` draws.
    """

    scenario: str | None = None
    seconds: float = 5.0
    min_samples: int = 64
    patience: float = 6.0
    samples_per_query: int = 8
    target_qps: float | None = None
    least_samples: int = 10
    warmup_seconds: float = 0.2
    warmup_calls: int = 10
    seed: int = 0
    steady: SteadyRule = field(default_factory=SteadyRule)

    def __post_init__(self) -> None:
        if self.scenario is not None and self.scenario not in SCENARIOS:
            what = f"no scenario '{self.scenario}'"
            raise UsageError(what, next=did_you_mean(self.scenario, SCENARIOS))
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            what = f"a benchmark cannot take {self.seconds} s"
            raise UsageError(what, where="--duration", next="give seconds above 0")
        if not 1 <= self.least_samples <= self.min_samples:
            raise UsageError(
                f"at least {self.least_samples} and usually {self.min_samples} samples: impossible",
                next="give 1 <= least_samples <= min_samples",
            )
        self._check_scenario()

    def _check_scenario(self) -> None:
        rate = self.target_qps
        if self.scenario == "server" and rate is None:
            step = "give --target-qps; `--scenario offline` tells what is possible"
            raise UsageError("the server scenario needs a rate of arrivals", next=step)
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            what = f"{rate} queries per second: impossible"
            raise UsageError(what, where="--target-qps", next="give a rate above 0")
        if self.samples_per_query < 1:
            what = f"{self.samples_per_query} samples per query: impossible"
            raise UsageError(what, where="--samples-per-query", next="give at least 1")

    def warmup_limit(self, scenario: str) -> float:
        """When warming up ends though its windows do not agree."""
        second = scenario == "offline" and self.scenario is None
        return self.seconds / (8 if second else 4)

    def brief(self) -> BenchSettings:
        """The same without waiting long for `min_samples`, unless they are asked for."""
        return replace(self, patience=_BRIEF) if math.isfinite(self.patience) else self

    def stop(self, scenario: str) -> Stop:
        """When a series of this scenario ends."""
        deadline = self.seconds * self.patience
        if scenario != "offline":
            return Stop(self.seconds, self.min_samples, deadline, self.least_samples)
        if self.scenario is None:
            return Stop(self.seconds / 2, _BATCHES, self.seconds / 2, _BATCHES)
        brief = min(deadline, self.seconds * _BRIEF) if math.isfinite(deadline) else deadline
        return Stop(self.seconds, self.min_samples, brief, _BATCHES)
