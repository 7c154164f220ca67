"""What the gates `drop` and `yolo-99` are measured against: a run, or a published row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.commands.finished.find import run_folder
from zoo_core.errors import DataError, UsageError, ZooError
from zoo_core.planning.build import Goal
from zoo_core.reporting.comparison import published_reference
from zoo_core.reporting.differences import Conditions, ScoredRun, read_samples, unlike
from zoo_core.reporting.gates.expression import OPTION, Kind
from zoo_core.reporting.gates.judge import Reference
from zoo_core.reporting.history import remembered
from zoo_core.reporting.run_folder import RESAMPLES
from zoo_core.system.record import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run
    from zoo_core.reporting.gates.expression import Gate
    from zoo_core.reporting.report import RunReport

FLOAT = "fp32"
_AGAINST = "--against"


def reference_for(
    gates: Sequence[Gate], against: str | None, run: Run, work: Workspace
) -> Reference | None:
    """The reference of the relative gates, found before the work; None where there is none.

    `against` names a run. Without it, it is the fp32 run of the same network on the same images by
    the same protocol: in the store, else the newest that `zoo runs` lists. Where only shares are
    asked for, a published row of the fp32 network will do, if the whole data set is scored by its
    protocol. Raises UsageError for `against` without such a gate, DataError where there is no
    reference or it is of other images or another protocol.
    """
    relative = [gate for gate in gates if gate.is_relative]
    if not relative:
        if against is not None:
            what = "is for the gates drop and yolo-99, and none is given"
            raise UsageError(what, where=_AGAINST, next="give --gate 'drop<=0.01'")
        return None
    if against is not None:
        return _named(against, run)
    text = relative[0].text
    is_float = run.resolved.target.precision == FLOAT
    found = None if is_float else stored_float(run, work) or _remembered(run)
    if found:
        return found
    row, refused = None, tuple[str, ...]()
    if all(gate.kind is Kind.SHARE for gate in relative):
        row, refused = published_reference(run.resolved, work.registry, FLOAT)
    if row:
        title = f"published row {row.id} ({row.provenance})"
        return Reference(title=title, metrics=row.metrics, is_published=True)
    what = f"'{text}' has no reference: "
    what += "this is the fp32 run itself" if is_float else _UNKNOWN
    what = "; ".join([what, *refused])
    step = "name a run with --against RUN"
    step += "" if is_float else ", or run `zoo eval` with --precision fp32 on these images first"
    raise DataError(what, where=OPTION, next=step)


_UNKNOWN = "no fp32 run of this network on these images by this protocol is known here"


def _named(against: str, run: Run) -> Reference:
    scored = ScoredRun.load(run_folder(against))
    why = tuple(unlike(Conditions.of(scored.report), _conditions(run)))
    if why:
        step = "name a run on the same images by the same protocol"
        raise DataError(
            f"not comparable: {'; '.join(why)}", where=f"{_AGAINST} {against}", next=step
        )
    return _reference(scored)


def _reference(scored: ScoredRun) -> Reference:
    title = f"{scored.title}, {scored.folder}"
    metrics = scored.report.metrics or {}
    return Reference(title=title, metrics=metrics, samples=scored.samples)


def _conditions(run: Run) -> Conditions:
    """Those of a run that is planned."""
    resolved, data = run.resolved, run.resolved.data
    return Conditions(
        task=resolved.card.task,
        protocol=plain(dict(resolved.protocol.values)),
        content=f"{data.dataset} {data.content}" if data else "",
        dataset=data.dataset if data else None,
        images=data.count if data else 0,
    )


def stored_float(run: Run, work: Workspace) -> Reference | None:
    """What the same run scored in fp32 on the same backend, if its result is in the store."""
    if FLOAT not in run.resolved.backend.precisions:
        return None
    request = replace(run.request, precision=FLOAT, calibration=None, calibrator=None)
    try:
        planned = work.plan(request, Goal.SCORE).plan.find("score")
    except ZooError:  # an option of this precision alone
        return None
    entry = work.store.get(planned.key) if planned else None
    if entry is None:
        return None
    found = json.loads((entry.path / "metrics.json").read_text(encoding="utf-8"))
    return Reference(
        title=f"{FLOAT} on {run.resolved.backend.name}, stored",
        metrics=found["values"] or {},
        samples=read_samples(entry.path / RESAMPLES),
    )


def _remembered(run: Run) -> Reference | None:
    """The newest fp32 run of the same weights, size, images and protocol."""
    wanted = _conditions(run)
    for row in reversed(remembered()):
        folder = Path(row["output"])
        if (row["model"], row["precision"]) != (run.resolved.card.id, FLOAT) or not folder.is_dir():
            continue
        try:
            scored = ScoredRun.load(folder)
        except DataError:
            continue
        if _is_same(scored.report, run) and not any(unlike(Conditions.of(scored.report), wanted)):
            return _reference(scored)
    return None


def _is_same(report: RunReport, run: Run) -> bool:
    """Whether a report is of the run's weights and size, on no emulator."""
    files = run.resolved.weights.files
    weights = {f"{role} sha256": source.sha256 or "" for role, source in files.items()}
    size = report.header.size == tuple(run.resolved.size)
    return size and not report.header.emulated and weights.items() <= report.provenance.items()
