"""A finished run planned once more, on the very inputs that it had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo_core.commands.finished.find import read_manifest, request_of, value_in
from zoo_core.commands.finished.rebuild import changes
from zoo_core.errors import DataError
from zoo_core.planning.build import FLOOR, Goal
from zoo_core.planning.protocol_steps import protocol_steps, state_of
from zoo_core.registry.protocols import task_values
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import ScoringProtocol
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run
    from zoo_core.planning.protocol_steps import ProtocolStep
    from zoo_core.planning.request import RunRequest
    from zoo_core.plugins.manager import Plugins


def plan_again(folder: Path, work: Workspace) -> Run:
    """The plan of a finished run; reads files and changes nothing.

    Raises DataError where weights, data, calibration images, protocol or preprocessing are no
    longer those of the run.
    """
    run = work.plan(request_of(folder), Goal.SCORE)
    if changed := [row.name for row in changes(read_manifest(folder), run)]:
        what = f"cannot be run again: {', '.join(changed)} changed since"
        step = "run it again, or restore what it was made of"
        raise DataError(what, where=str(folder), next=step)
    return run


def plan_scored(folder: Path, work: Workspace) -> Run:
    """The plan of a finished run that has an accuracy; raises DataError for random weights too."""
    if (request_of(folder).weights or "").partition(":")[0] == "random":
        what, step = "has random weights, so no accuracy", "give a run of trained weights"
        raise DataError(what, where=str(folder), next=step)
    return plan_again(folder, work)


def with_floor(request: RunRequest, before: Run) -> RunRequest:
    """The request, to use candidates that are stored from a lower score than it needs."""
    floor = min((item.stage.params["floor"] for item in before.shards), default=FLOOR)
    return replace(request, floor=floor if floor < FLOOR else None)


def needs_network(before: Run, after: Run, plugins: Plugins) -> list[str]:
    """Why the candidates of one run do not serve another: nothing where they do."""
    if [item.key for item in before.shards] == [item.key for item in after.shards]:
        return []
    steps = steps_to(before, after.resolved.protocol, after.resolved.size, plugins)
    if seen := [step.text for step in steps if step.changes_input]:
        return seen
    floors = [item.stage.params["floor"] for run in (before, after) for item in run.shards[:1]]
    if len({*floors}) > 1:
        return [
            f"candidates above {floors[1]:g} are asked for, stored are those above {floors[0]:g}"
        ]
    return [f"backend {after.resolved.backend.name} builds the protocol into what it runs"]


def tell_if_gone(run: Run, folder: Path, work: Workspace, progress: ProgressReporter) -> None:
    """Say so where the store no longer has the candidates of a finished run, and why."""
    if work.holds(run.shards):
        return
    known = {value_in(row, "key") for row in read_manifest(folder)["stages"]}
    why = "were made by other versions of zoo, of a plugin or of a library"
    if known.issuperset(item.key for item in run.shards):
        why = "are no longer in the store"
    progress.message(f"the candidates of {folder} {why}: the network runs again")


def steps_to(
    run: Run, protocol: ScoringProtocol, size: tuple[int, int], plugins: Plugins
) -> list[ProtocolStep]:
    """The changes that lead from a run to a protocol at a size (height, width), in order.

    Raises UsageError for a protocol whose values the task's evaluator refuses.
    """
    card, channels = run.resolved.card, run.resolved.preprocess.channels
    check = plugins.evaluator(card.evaluator).check
    check(task_values(protocol))
    own = Preprocess.from_data(card.preprocess).with_channels(channels)
    before = state_of(run.resolved.protocol, run.resolved.size, own)
    options = plugins.provider("evaluator", card.evaluator).options
    return protocol_steps(before, state_of(protocol, size, own), options, check)
