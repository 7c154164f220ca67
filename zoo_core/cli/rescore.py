"""`zoo rescore`: a finished run by another protocol."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zoo_core.cli import options
from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo, Output, Quiet, Verbose, with_rules
from zoo_core.cli.progress import progress


@with_rules(options.protocol)
def rescore(
    changes: dict[str, Any],
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Run folder, or MODEL:BACKEND:PRECISION for the newest such run."
        ),
    ],
    size: Annotated[str | None, typer.Option(metavar="H,W", hidden=True)] = None,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Score a finished run by another protocol, from its stored candidates.

    The network does not run; a change that needs it is refused, with the command that makes it.
    """
    from zoo_core.commands.finished.rescore import rescore as rescore_run
    from zoo_core.planning.request import size_of
    from zoo_core.reporting.terminal import terminal_lines

    wanted = {**changes, "size": size_of(size)} if size else changes
    report = rescore_run(run, wanted, progress(quiet, verbose), output)
    print_report(report.to_data(), json_to, terminal_lines(report), quiet)
    return 0
