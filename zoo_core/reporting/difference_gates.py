"""Gates of a comparison: decided by the interval, not by the figure alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo_core.errors import AccuracyGateError, UsageError, did_you_mean
from zoo_core.reporting.report import UNDECIDED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.reporting.differences import CompareReport, Difference

_GATE = re.compile(r"drop(?::(?P<metric>[^<=]+))?<=(?P<limit>[^<=]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DropGate:
    """The most that a metric of the last run may be below the first's; None: the first metric."""

    text: str
    limit: float
    metric: str | None = None


def parse_drop_gates(texts: Iterable[str]) -> tuple[DropGate, ...]:
    """Gates from `drop<=FRACTION` and `drop:METRIC<=FRACTION`; raises UsageError."""
    return tuple(_parsed(text) for text in texts)


def _parsed(text: str) -> DropGate:
    found = _GATE.fullmatch(text.replace(" ", ""))
    try:
        limit = float(found["limit"]) if found else float("nan")
    except ValueError:
        limit = float("nan")
    if found is None or not 0 <= limit <= 1:
        step = "write 'drop<=0.01' or 'drop:AP50<=0.01'; metrics are fractions"
        raise UsageError(f"invalid gate '{text}'", where="--gate", next=step)
    return DropGate(text=text, limit=limit, metric=found["metric"])


def judge(report: CompareReport, gates: Iterable[DropGate]) -> CompareReport:
    """The report with a row for each gate; raises UsageError for an unknown metric."""
    return replace(report, gates=tuple(_judged(report, gate) for gate in gates))


def check_gates(report: CompareReport, strict: bool) -> None:
    """Raises AccuracyGateError for a gate that was missed; `strict`: or is not decided."""
    for row in report.gates:
        if row["verdict"] == "missed" or (strict and row["verdict"] == UNDECIDED):
            raise AccuracyGateError(row["sentence"], where="--gate")


def _judged(report: CompareReport, gate: DropGate) -> dict[str, Any]:
    row = _metric(report, gate)
    told = {"gate": gate.text, "limit": gate.limit, "metric": row.metric}
    if report.why or row.difference is None:
        why = report.sentence if report.why else f"{row.metric} is not defined in each run"
        return {**told, "value": None, "verdict": "missed", "sentence": f"{gate.text}: {why}"}
    drop = 0.0 - row.difference
    bounds = (drop, drop) if row.low is None or row.high is None else (0 - row.high, 0 - row.low)
    verdict = "passed" if bounds[1] <= gate.limit else UNDECIDED
    verdict = "missed" if bounds[0] > gate.limit else verdict
    span = f"{bounds[0]:.4f} to {bounds[1]:.4f}" if row.low is not None else "no interval"
    sentence = f"{gate.text}: {row.metric} drops by {drop:.4f} ({span})"
    return {**told, "value": drop, "verdict": verdict, "sentence": sentence}


def _metric(report: CompareReport, gate: DropGate) -> Difference:
    rows = {row.metric: row for row in report.metrics}
    if gate.metric is None:
        return report.metrics[0]
    if gate.metric not in rows:
        hint = did_you_mean(gate.metric, rows)
        raise UsageError(f"no metric '{gate.metric}'", where="--gate", next=hint)
    return rows[gate.metric]
