"""A reduced precision against fp32 of the same network, where that is known on this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo_core.commands.finished.reference import FLOAT, stored_float
from zoo_core.reporting.history import conditions, remembered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run
    from zoo_core.reporting.report import BenchReport, RunReport

GUIDE = "docs/how-to/int8-is-bad.md"
_LOST = 0.05
"""A share of the first metric. yolo-fastest loses 0.036 to int8, which is usual."""

_SLOWER = 1.1
"""Two runs of one build on a machine that others use differ by less."""


def float_warnings(report: RunReport | BenchReport, run: Run, work: Workspace) -> tuple[str, ...]:
    """Warnings where the run lost much of the float network's accuracy, or is slower than it."""
    precision = run.resolved.target.precision
    if precision == FLOAT or FLOAT not in run.resolved.backend.precisions:
        return ()
    return (*_accuracy(getattr(report, "metrics", None), run, work), *_speed(report))


def _accuracy(
    metrics: Mapping[str, float | None] | None, run: Run, work: Workspace
) -> Iterator[str]:
    precision = run.resolved.target.precision
    known = stored_float(run, work) if metrics else None
    for name, value in (known.metrics if known else {}).items():
        found = (metrics or {}).get(name)
        if not value or found is None:
            continue
        if found < value * (1 - _LOST):
            yield (
                f"{precision}: {name} {found:.4f}, where fp32 has {value:.4f} on the same images: "
                f"{1 - found / value:.0%} of it is lost; see {GUIDE}"
            )
        return


def _speed(report: RunReport | BenchReport) -> Iterator[str]:
    """Against the last run or benchmark in fp32 under the same conditions."""
    if report.benchmark is None:
        return
    head, found = report.header, report.benchmark.figures.latency_ms["median"]
    wanted = conditions(replace(head, precision=FLOAT))
    rows = [row for row in remembered() if row.get("speed") and wanted.items() <= row.items()]
    known = rows[-1]["speed"]["median_ms"] if rows else None
    if known and found and found > known * _SLOWER:
        yield (
            f"{head.precision} takes {found / known:.1f} times as long as fp32 on {head.backend}: "
            f"{found:.1f} ms, and {known:.1f} ms in the run of {rows[-1]['when']}; see {GUIDE}"
        )
