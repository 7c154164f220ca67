"""What verbs that run a plan share: planning with its first lines, and giving the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.cli.progress import say
from zoo_core.reporting.run_folder import check_output

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run
    from zoo_core.planning.request import RunRequest


def prepare(
    request: RunRequest, goal: Any, quiet: bool, output: Path | None = None, why: str = ""
) -> tuple[Workspace, Run]:
    """The plan of a request up to its goal, after checking the output folder; tells what it is.

    `why` says why the sample stands in, where the request itself does not tell.
    """
    from zoo_core.commands.workspace import open_workspace
    from zoo_core.planning.preview import preview
    from zoo_core.reporting.terminal import first_line
    from zoo_core.system.machine import keep_freed_memory

    if output is not None:
        check_output(output)
    keep_freed_memory()
    work = open_workspace()
    planned = work.plan(request, goal)
    say(first_line(planned, why), quiet)
    say(preview(planned.plan, work.store, work.durations, explain=False).line(), quiet)
    return work, planned
