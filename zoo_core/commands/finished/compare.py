"""`zoo compare`: runs side by side, with the intervals of their differences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo_core.commands.finished.find import run_folder
from zoo_core.errors import DataError, UsageError
from zoo_core.reporting.differences import CompareReport, ScoredRun, compare_runs
from zoo_core.reporting.gates.expression import OPTION, parse_gates
from zoo_core.reporting.gates.judge import Judged, Reference, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo_core.reporting.gates.expression import Gate


def compare(references: Sequence[str], gates: Iterable[str] = ()) -> CompareReport:
    """Compare runs, each a run folder or MODEL:BACKEND:PRECISION, the newest run of these.

    Gates are judged on the last run, drops and shares against the first. Raises UsageError for
    fewer than two runs or an invalid gate, DataError for a run that cannot be read, and for a
    metric's limit on sample weights.
    """
    limits = parse_gates(gates)
    if len(references) < 2:
        raise UsageError("needs two runs or more", where="compare", next="see `zoo runs`")
    runs = [ScoredRun.load(run_folder(reference)) for reference in references]
    report = compare_runs(runs)
    return replace(report, gates=judge(limits, _judged(report, limits))) if limits else report


def _judged(report: CompareReport, gates: Sequence[Gate]) -> Judged:
    first, last = report.runs[0], report.runs[-1]
    absolute = next((gate for gate in gates if not gate.is_relative), None)
    if absolute and last.report.header.assets.weights == "sample":
        what = f"'{absolute.text}' on sample weights would say nothing about the model"
        raise DataError(what, where=OPTION, next="compare runs of published weights, or your own")
    return Judged(
        metrics=last.report.metrics or {},
        intervals=last.report.intervals or {},
        samples=last.samples,
        images=last.report.images,
        speed=last.report.benchmark.figures if last.report.benchmark else None,
        reference=Reference(
            title=str(first.folder), metrics=first.report.metrics or {}, samples=first.samples
        ),
        why=report.sentence if report.why else "",
    )
