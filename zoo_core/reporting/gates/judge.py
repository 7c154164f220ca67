"""Judging gates: accuracy by its interval, speed where the measurement is steady."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError, did_you_mean
from zoo_core.pipeline.resampling import CONFIDENCE, paired_interval
from zoo_core.reporting.gates.expression import SPEEDS, Kind
from zoo_core.reporting.gates.rows import MISSED, PASSED, UNDECIDED, GateRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from zoo_core.benchmark.compare import VersusFigures
    from zoo_core.benchmark.result import Figures
    from zoo_core.reporting.gates.expression import Gate

    Samples = Mapping[str, NDArray[Any]]
    Bounds = tuple[float, float]

_UNITS = {
    "throughput": "throughput in images/s",
    "speedup": "speedup",
    **{name: f"{name} in ms" for name in ("p90", "p99", "median")},
}
_MORE = "score more images, or go by the figure with --min-metric"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a drop or a share is of: metrics of a run, with those on halves of the images.

    Of a published row (`is_published`) only the figures are known.
    """

    title: str
    metrics: Mapping[str, float | None]
    samples: Samples = field(default_factory=dict)
    is_published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What gates are judged on; `why` says why it cannot be compared with the reference."""

    metrics: Mapping[str, float | None] = field(default_factory=dict)
    intervals: Mapping[str, Any] = field(default_factory=dict)
    samples: Samples = field(default_factory=dict)
    images: int = 0
    speed: Figures | None = None
    versus: VersusFigures | None = None
    reference: Reference | None = None
    why: str = ""


def judge(gates: Iterable[Gate], of: Judged) -> tuple[GateRow, ...]:
    """A row for each gate; raises UsageError for a metric that was not measured."""
    return tuple(_speed(g, of) if g.kind is Kind.SPEED else _accuracy(g, of) for g in gates)


def _accuracy(gate: Gate, of: Judged) -> GateRow:
    metric = gate.metric or next(iter(of.metrics), "")
    if metric not in of.metrics:
        hint = did_you_mean(metric, of.metrics)
        raise UsageError(f"no metric '{metric}' was measured", where=gate.option, next=hint)
    row = GateRow(gate=gate.name, metric=metric, limit=gate.limit)
    value = of.metrics[metric]
    if gate.is_relative:
        return _relative(gate, row, value, of)
    if value is None:
        sentence = f"{metric} is undefined, the gate is {gate.limit:.4f}"
        return replace(row, verdict=MISSED, sentence=sentence)
    if gate.kind is Kind.FIGURE:
        verdict = MISSED if value < gate.limit else PASSED
        sentence = f"{metric} is {value:.4f}, the gate is {gate.limit:.4f}"
        return replace(row, value=value, verdict=verdict, sentence=sentence)
    bounds = of.intervals.get(metric)
    what = f"{gate.title}: {metric} is {value:.4f}"
    return _decided(replace(row, value=value), bounds, what, of.images)


def _relative(gate: Gate, row: GateRow, value: float | None, of: Judged) -> GateRow:
    metric, reference = row.metric or "", of.reference
    assert reference
    before = reference.metrics.get(metric)
    row = replace(row, reference=reference.title)
    if of.why or value is None or before is None:
        why = of.why or f"{metric} is not defined in each run"
        return replace(row, verdict=MISSED, sentence=f"{gate.title}: {why}")
    last, first = of.samples.get(metric), reference.samples.get(metric)
    if gate.kind is Kind.DROP:
        row = replace(row, value=0.0 + before - value)
        what = f"{gate.title}: {metric} drops by {row.value:.4f}"
        bounds = paired_interval(before - value, last, first, of.images)
        return _decided(row, bounds, what, of.images, most=True)
    least = gate.limit * before
    row = replace(row, value=value, limit=least)
    what = f"{gate.title}: {metric} is {value:.4f}, {gate.limit:g} of {before:.4f} is {least:.4f}"
    if reference.is_published:
        return _decided(row, of.intervals.get(metric), what, of.images)
    share = None if first is None else gate.limit * first
    above = paired_interval(value - least, share, last, of.images)
    bounds = above and (least + above[0], least + above[1])
    return _decided(row, bounds, what, of.images)


def _decided(
    row: GateRow, bounds: Bounds | None, what: str, images: int, *, most: bool = False
) -> GateRow:
    """The row with its verdict: by the whole interval, at least the limit, or at most with `most`.

    Without an interval nothing is decided.
    """
    if bounds is None:
        why = f"{images} images give no interval"
        sentence = f"{what}: {UNDECIDED}, as {why}"
        return replace(row, sentence=sentence, next=_MORE)
    low, high = (0.0 + bound for bound in bounds)
    row = replace(row, low=low, high=high)
    what = f"{what} ({CONFIDENCE:.0%}: {low:.4f} to {high:.4f})"
    ok, bad = (high <= row.limit, low > row.limit) if most else (low >= row.limit, high < row.limit)
    if ok or bad:
        return replace(row, verdict=PASSED if ok else MISSED, sentence=what)
    return replace(row, sentence=f"{what}: {UNDECIDED} by {images} images", next=_MORE)


def _speed(gate: Gate, of: Judged) -> GateRow:
    """Decided where the measurement is steady and has enough samples."""
    name = gate.metric or ""
    row = GateRow(gate=gate.name, kind="speed", metric=name, limit=gate.limit)
    if of.speed is None:
        return replace(row, sentence=f"{gate.title} is {UNDECIDED}: no speed was measured")
    value, missing = _figure(name, of.speed, of.versus)
    row = replace(row, value=value)
    if not of.speed.steady:
        what = f"the measurement is not steady ({of.speed.steady_reason})"
        step = "measure again on a quiet machine, or for longer with --duration"
        return replace(row, sentence=f"{gate.title} is {UNDECIDED}: {what}", next=step)
    if value is None:
        sentence = f"{gate.title} is {UNDECIDED}: {missing[0]}"
        return replace(row, sentence=sentence, next=missing[1])
    missed = value < gate.limit if SPEEDS[name] == ">=" else value > gate.limit
    sentence = f"{_UNITS[name]} is {value:.4g}, the gate is {gate.limit:g}"
    return replace(row, verdict=MISSED if missed else PASSED, sentence=sentence)


def _figure(
    name: str, figures: Figures, versus: VersusFigures | None
) -> tuple[float | None, tuple[str, str]]:
    """A speed; and why there is none and what to do."""
    if name == "throughput":
        return figures.throughput, ("", "")
    if name == "speedup":
        return versus.speedup if versus else None, ("nothing was compared", "")
    needed, have = figures.withheld.get(name, 0), figures.samples
    what = f"{name} needs {needed:,} samples, have {have:,}"
    return figures.latency_ms[name], (what, f"give --min-samples {needed}")
