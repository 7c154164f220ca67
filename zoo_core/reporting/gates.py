"""Gates: what a figure must reach for a run to succeed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from zoo_core.errors import (
    AccuracyGateError,
    DataError,
    SpeedGateError,
    UsageError,
    ZooError,
    did_you_mean,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zoo_core.benchmark.result import Figures
    from zoo_core.reporting.report import BenchReport, RunReport


def parse(texts: Iterable[str]) -> dict[str, float]:
    """Gates from NAME=VALUE, a metric's name and the least fraction; raises UsageError."""
    gates = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            gates[name] = float(value)
        except ValueError:
            gates[name] = math.nan
        if not math.isfinite(gates[name]):
            step = "write NAME=FRACTION as in AP=0.43"
            raise UsageError(f"invalid gate '{text}'", where="--min-metric", next=step)
    return gates


def refuse_sample(gates: Mapping[str, float], weights: str) -> None:
    """Raises DataError for a gate on weights whose accuracy says nothing about the model."""
    if gates and weights in ("sample", "random"):
        raise DataError(
            f"a gate on {weights} weights would say nothing about the model",
            where="--min-metric",
            next="use --assets published, or --weights FILE",
        )


def check(gates: Mapping[str, float], report: RunReport) -> None:
    """Raises AccuracyGateError for the first metric of a report that misses its gate."""
    metrics = report.metrics or {}
    for name, least in gates.items():
        if name not in metrics:
            hint = did_you_mean(name, metrics)
            raise UsageError(f"no metric '{name}' was measured", where="--min-metric", next=hint)
        value = metrics[name]
        if value is None or value < least:
            text = "undefined" if value is None else f"{value:.4f}"
            raise AccuracyGateError(
                f"{name} is {text}, the gate is {least:.4f}", where=report.header.output
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedGates:
    """Limits of a measured speed: milliseconds, images/s, times as fast as another build."""

    max_p90_ms: float | None = None
    max_p99_ms: float | None = None
    min_throughput: float | None = None
    min_speedup: float | None = None

    def __post_init__(self) -> None:
        for option, limit in self.limits.items():
            if not limit > 0:
                raise UsageError(f"must be greater than 0, got {limit:g}", where=option)

    @property
    def limits(self) -> dict[str, float]:
        """The gates that are set, by option."""
        limits = {f"--{name.replace('_', '-')}": value for name, value in asdict(self).items()}
        return {option: value for option, value in limits.items() if value is not None}

    def refuse(self, weights: str, emulated: bool) -> None:
        """Raises DataError where a speed would say nothing: of sample weights, or of an emulator.

        Random weights are as fast as any others.
        """
        option = next(iter(self.limits), None)
        if option is None:
            return
        if emulated:
            what = "an emulated device has no speed"
            raise DataError(what, where=option, next="leave the gate out, or use a real device")
        if weights == "sample":
            what = "the sample's thin network says nothing about the model's speed"
            step = "use --weights random, --assets published, or --weights FILE"
            raise DataError(what, where=option, next=step)

    def verdict(self, report: BenchReport) -> ZooError | None:
        """SpeedGateError for the first figure of a steady measurement that misses its gate.

        A plain ZooError where the measurement is not steady, or has too few samples: it passes no
        gate, and misses none.
        """
        where, speed = report.header.output, report.benchmark
        if speed is None or not self.limits:
            return None
        if not speed.figures.steady:
            why = speed.figures.steady_reason
            what = f"the measurement is not steady ({why}): no gate was judged"
            step = "measure again on a quiet machine, or for longer with --duration"
            return ZooError(what, where=where, next=step)
        for option, limit in self.limits.items():
            name, value, missing = _speed(option, report, speed.figures)
            if value is None:
                return ZooError(f"{missing}: no gate was judged", where=where)
            if (value < limit) if option.startswith("--min") else (value > limit):
                return SpeedGateError(f"{name} is {value:.4g}, the gate is {limit:g}", where=where)
        return None


def _speed(option: str, report: BenchReport, figures: Figures) -> tuple[str, float | None, str]:
    """What a gate is about, its value, and why there is none."""
    if option == "--min-throughput":
        return "throughput in images/s", figures.throughput, ""
    if option == "--min-speedup":
        return "speedup", report.versus.speedup if report.versus else None, "nothing was compared"
    name = "p90" if option == "--max-p90-ms" else "p99"
    needed, have = figures.withheld.get(name, 0), figures.samples
    missing = f"{name} needs {needed:,} samples, have {have:,}; give --min-samples {needed}"
    return f"{name} in ms", figures.latency_ms[name], missing
