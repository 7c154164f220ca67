"""`zoo explain`: what each difference from a published row's protocol makes of a run's figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo_core.commands.finished.find import run_folder
from zoo_core.commands.finished.replan import plan_scored, steps_to, tell_if_gone
from zoo_core.commands.finished.waterfall import walk
from zoo_core.commands.workspace import open_workspace
from zoo_core.errors import UsageError, did_you_mean
from zoo_core.planning.settings import check_given, check_options
from zoo_core.registry.protocols import derive
from zoo_core.reporting.differences import ScoredRun
from zoo_core.reporting.waterfall import ExplainReport, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import PublishedResult, ScoringProtocol
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run


def explain_against(
    reference: str, against: str | None, values: Mapping[str, Any], progress: ProgressReporter
) -> ExplainReport:
    """What there is to explain a run against; with `against` or `values`, the way to it.

    `against` is a published row of the card or a protocol, `values` are changes of its values; of
    the run's own without `against`. Raises UsageError for an unknown name or a protocol that gives
    too few values, and what `plan_scored` raises.
    """
    folder, work = run_folder(reference), open_workspace()
    run = plan_scored(folder, work)
    known = References(run, work)
    report = ExplainReport(
        run=ScoredRun.load(folder), rows=known.rows(), protocols=known.protocols()
    )
    if against is None and not values:
        return report
    row, protocol = known.find(against, values)
    tell_if_gone(run, folder, work, progress)
    waterfall, warnings = walk(run, report.run, known.reference(protocol, row), work, progress)
    return replace(report, waterfall=waterfall, warnings=warnings)


_UNSTATED = "its source does not state by which protocol it was scored"


@dataclass(frozen=True, slots=True)
class References:
    """The rows and protocols that a run can be explained against."""

    run: Run
    work: Workspace

    def rows(self) -> tuple[Reference, ...]:
        """The card's published rows."""
        known = self.work.registry.protocols
        rows = self.run.resolved.card.published
        return tuple(self.reference(known[row.protocol], row) for row in rows)

    def protocols(self) -> tuple[Reference, ...]:
        """The protocols of the card's task that state something."""
        task = self.run.resolved.card.task
        known = self.work.registry.protocols.values()
        return tuple(self.reference(one) for one in known if one.task == task and one.values)

    def find(
        self, name: str | None, values: Mapping[str, Any]
    ) -> tuple[PublishedResult | None, ScoringProtocol]:
        """The row of this name, if it is one, and the protocol with the changed values."""
        resolved, registry, plugins = self.run.resolved, self.work.registry, self.work.plugins
        rows = {row.id: row for row in resolved.card.published}
        task = resolved.card.task
        known = {key: one for key, one in registry.protocols.items() if one.task == task}
        row = rows.get(name or "")
        protocol = known.get(row.protocol if row else name or "")
        if name is None:
            protocol = resolved.protocol
        if protocol is None:
            step = f"{did_you_mean(name or '', [*rows, *known])}; without --against all are listed"
            what = f"{resolved.card.id} has no published row '{name}', nor {task} a protocol of it"
            raise UsageError(what, where="--against", next=step)
        changed = derive(protocol, values)
        if not changed.values:
            step = "name a protocol to try; `zoo eval --compare-published` says what else differs"
            raise UsageError(_UNSTATED, where=f"--against {name}", next=step)
        request = replace(self.run.request, changes=values)
        check_given(request, resolved.card, plugins)
        check_options(request, changed, plugins)
        try:
            steps_to(self.run, changed, resolved.size, plugins)
        except UsageError as error:
            where, step = f"--against {name}" if name else "", "name another row or protocol"
            raise UsageError(error.what, where=where, next=step) from error
        return row, changed

    def reference(self, protocol: ScoringProtocol, row: PublishedResult | None = None) -> Reference:
        """A published row, or a protocol at the run's own size, and the changes that lead to it."""
        size = row.size if row else self.run.resolved.size
        steps, why = [], "" if protocol.values else _UNSTATED
        try:
            steps = [] if why else steps_to(self.run, protocol, size, self.work.plugins)
        except UsageError as error:
            why = error.what
        return Reference(
            protocol=protocol,
            size=size,
            row=row,
            steps=tuple(steps),
            why=why,
        )
