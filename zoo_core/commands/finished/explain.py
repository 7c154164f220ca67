"""`zoo explain`: what each difference from a published row's protocol makes of a run's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.commands.finished.again import plan_again
from zoo_core.commands.finished.find import run_folder
from zoo_core.commands.workspace import open_workspace
from zoo_core.errors import UsageError
from zoo_core.planning.protocol_steps import protocol_steps, state_of
from zoo_core.registry.protocols import task_values
from zoo_core.reporting.differences import ScoredRun
from zoo_core.reporting.waterfall import ExplainReport, Reference
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import PublishedResult, ScoringProtocol
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run
    from zoo_core.planning.protocol_steps import ProtocolStep


def explain(
    reference: str, against: str | None, values: Mapping[str, Any], progress: ProgressReporter
) -> ExplainReport:
    """What there is to explain a run against; with `against`, the way to it."""
    folder = run_folder(reference)
    scored, work = ScoredRun.load(folder), open_workspace()
    known = _References(plan_again(folder, work), work)
    return ExplainReport(run=scored, rows=known.rows(), protocols=known.protocols())


@dataclass(frozen=True, slots=True)
class _References:
    """The rows and protocols that a run can be explained against."""

    run: Run
    work: Workspace

    def rows(self) -> tuple[Reference, ...]:
        """The card's published rows."""
        return tuple(map(self.of_row, self.run.resolved.card.published))

    def protocols(self) -> tuple[Reference, ...]:
        """The protocols of the card's task."""
        task = self.run.resolved.card.task
        known = (one for one in self.work.registry.protocols.values() if one.task == task)
        return tuple(self.of_protocol(one) for one in known if one.values)

    def of_row(self, row: PublishedResult) -> Reference:
        """A published row."""
        protocol = self.work.registry.protocols[row.protocol]
        changes, why = self._changes(protocol, row.size)
        return Reference(
            row=row.id,
            protocol=row.protocol,
            size=row.size,
            precision=row.precision,
            device=row.device,
            dataset=row.dataset,
            provenance=row.provenance,
            metrics=row.metrics,
            changes=changes,
            why=why,
        )

    def of_protocol(self, protocol: ScoringProtocol) -> Reference:
        """A protocol at the run's own size."""
        size = self.run.resolved.size
        changes, why = self._changes(protocol, size)
        return Reference(row=None, protocol=protocol.name, size=size, changes=changes, why=why)

    def _changes(
        self, protocol: ScoringProtocol, size: tuple[int, int]
    ) -> tuple[tuple[str, ...], str]:
        """The changes in words; or why there is no way to this protocol."""
        try:
            return tuple(step.text for step in self.steps(protocol, size)), ""
        except UsageError as error:
            return (), error.what

    def steps(self, protocol: ScoringProtocol, size: tuple[int, int]) -> list[ProtocolStep]:
        """The changes that lead to a protocol; raises UsageError where it states too little."""
        resolved, plugins = self.run.resolved, self.work.plugins
        card = resolved.card
        check = plugins.evaluator(card.evaluator).check
        check(task_values(protocol))
        own = Preprocess.from_data(card.preprocess).with_channels(resolved.preprocess.channels)
        before = state_of(resolved.protocol, resolved.size, own)
        after = state_of(protocol, size, own)
        options = plugins.provider("evaluator", card.evaluator).options
        return protocol_steps(before, after, options, check)
