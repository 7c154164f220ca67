"""Gates: what a figure must reach for a run to succeed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from zoo_core.errors import (
    AccuracyGateError,
    DataError,
    SpeedGateError,
    UsageError,
    check_known,
    did_you_mean,
)
from zoo_core.reporting.report import UNDECIDED, GateRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zoo_core.api import Evaluator
    from zoo_core.benchmark.result import Figures
    from zoo_core.planning.resolve import Resolved
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


def refuse(gates: Mapping[str, float], resolved: Resolved, evaluator: Evaluator) -> None:
    """Raises, before the work, for gates that cannot be judged after it.

    UsageError for a name that is none of the evaluator's `metrics`, if it lists them; DataError for
    weights whose accuracy says nothing about the model, and for images without ground truth.
    """
    weights = resolved.weights.kind
    check_known(gates, getattr(evaluator, "metrics", gates), "--min-metric")
    if gates and not (resolved.data and resolved.data.has_truth):
        what = "a gate needs ground truth, and these images have none"
        raise DataError(what, where="--min-metric", next="give --annotations FILE")
    if gates and weights in ("sample", "random"):
        raise DataError(
            f"a gate on {weights} weights would say nothing about the model",
            where="--min-metric",
            next="use --assets published, or --weights FILE",
        )


def doubts(gates: Mapping[str, float], resolved: Resolved) -> tuple[str, ...]:
    """Warnings of gates that no run can meet, or that are judged on a subset of the data set."""
    never = tuple(
        f"gate {name}={least:g} is never met: metrics are fractions, 30 percent is {name}=0.30"
        for name, least in gates.items()
        if least > 1
    )
    data = resolved.data
    if not gates or data is None or data.count == data.of:
        return never
    names = ", ".join(f"{name}={least:g}" for name, least in gates.items())
    part = f"{data.count:,} of {data.of:,} images"
    return (
        *never,
        f"gate {names}: judged on {part} only, which says little about the whole data set",
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


def judged(report: BenchReport, gates: SpeedGates) -> BenchReport:
    """The report with a row for each gate: passed, missed, or not decided, which is a warning.

    A measurement that is not steady, or has too few samples, decides no gate.
    """
    if report.benchmark is None:
        return report
    rows = tuple(_judged(option, limit, report) for option, limit in gates.limits.items())
    open_ = ["; ".join(filter(None, (r.sentence, r.next))) for r in rows if r.verdict == UNDECIDED]
    return replace(report.with_warnings(*open_), gates=rows)


def failure(report: BenchReport, strict: bool) -> SpeedGateError | None:
    """The error of the first gate of a report that was missed; `strict`: or is not decided."""
    for row in report.gates:
        if row.verdict == "missed" or (strict and row.verdict == UNDECIDED):
            return SpeedGateError(row.sentence, where=report.header.output, next=row.next)
    return None


def _judged(option: str, limit: float, report: BenchReport) -> GateRow:
    assert report.benchmark
    figures = report.benchmark.figures
    name, value, missing = _speed(option, report, figures)
    row = GateRow(gate=option, limit=limit, value=value, verdict=UNDECIDED)
    if not figures.steady:
        what = f"the measurement is not steady ({figures.steady_reason})"
        step = "measure again on a quiet machine, or for longer with --duration"
        return replace(row, sentence=f"{option} {limit:g} is {UNDECIDED}: {what}", next=step)
    if value is None:
        return replace(
            row, sentence=f"{option} {limit:g} is {UNDECIDED}: {missing[0]}", next=missing[1]
        )
    missed = value < limit if option.startswith("--min") else value > limit
    verdict = "missed" if missed else "passed"
    return replace(row, verdict=verdict, sentence=f"{name} is {value:.4g}, the gate is {limit:g}")


def _speed(
    option: str, report: BenchReport, figures: Figures
) -> tuple[str, float | None, tuple[str, str]]:
    """What a gate is about, its value, and why there is none and what to do."""
    if option == "--min-throughput":
        return "throughput in images/s", figures.throughput, ("", "")
    if option == "--min-speedup":
        value = report.versus.speedup if report.versus else None
        return "speedup", value, ("nothing was compared", "")
    name = "p90" if option == "--max-p90-ms" else "p99"
    needed, have = figures.withheld.get(name, 0), figures.samples
    what = f"{name} needs {needed:,} samples, have {have:,}"
    return f"{name} in ms", figures.latency_ms[name], (what, f"give --min-samples {needed}")
