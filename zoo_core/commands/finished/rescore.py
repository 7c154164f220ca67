"""`zoo rescore`: a finished run by another protocol, from the candidates that it stored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo_core.commands.finished.find import run_folder
from zoo_core.commands.finished.replan import (
    needs_network,
    plan_scored,
    tell_if_gone,
    with_floor,
)
from zoo_core.commands.run import run
from zoo_core.commands.workspace import open_workspace
from zoo_core.errors import UsageError
from zoo_core.planning.build import Goal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.reporting.report import RunReport


def rescore(
    reference: str,
    changes: Mapping[str, Any],
    progress: ProgressReporter,
    output: Path | None = None,
) -> RunReport:
    """Score a finished run by another protocol, and write a new run folder.

    `changes` are `protocol`, a name, which takes the place of the run's with all its changes,
    `size` and protocol values. Raises UsageError for changes that need the network, and for none at
    all; what `plan_scored` raises.
    """
    folder, own = run_folder(reference), dict(changes)
    name, size = own.pop("protocol", None), own.pop("size", None)
    if not changes:
        step = "give --protocol NAME, or values such as --conf, --nms and --box-labels"
        raise UsageError("nothing to change", where="rescore", next=step)
    if output is not None and output.resolve() == folder.resolve():
        step = "name another folder with --output"
        raise UsageError("is the run itself", where=str(output), next=step)
    work = open_workspace()
    before = plan_scored(folder, work)
    request = before.request
    wanted = replace(
        request,
        protocol=name or request.protocol,
        changes=own if name else {**request.changes, **own},
        size=size or request.size,
        origin=folder.absolute(),
    )
    after = work.plan(with_floor(wanted, before), Goal.SCORE)
    if reasons := needs_network(before, after, work.plugins):
        step = f"run `{wanted.command('eval')}`"
        raise UsageError(
            f"{'; '.join(reasons)}: this needs the network", where="rescore", next=step
        )
    tell_if_gone(after, folder, work, progress)
    return run(after.request, progress, output, bench=False)
