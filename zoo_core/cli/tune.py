"""`zoo tune`: win back what a reduced precision loses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo, Quiet, Verbose, with_request
from zoo_core.cli.progress import progress
from zoo_core.planning.request import RunRequest


@with_request(*options.EVERYTHING)
def tune(
    request: RunRequest,
    max_drop: Annotated[
        float,
        typer.Option(metavar="F", help="Most that the first metric may drop below fp32's."),
    ] = 0.005,
    max_speed_cost: Annotated[
        float,
        typer.Option(metavar="F", help="Most of the gain in speed over fp32 that may be lost."),
    ] = 0.1,
    trials: Annotated[int, typer.Option(metavar="N", min=1, help="Most options to try.")] = 64,
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove what was found for the model before.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File for the options; default: where runs find them."),
    ] = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Search for options that win back what int8 loses; later runs use them."""
    from zoo_core.commands.tune import tune as command
    from zoo_core.commands.tune.report import SCHEMA, check

    if forget:
        files = [str(path) for path in command.forget(request)]
        document = {"schema": SCHEMA, "forgotten": files}
        print_report(document, json_to, [f"removed {file}" for file in files], quiet)
        return 0
    how = command.TuneRequest(max_drop=max_drop, max_speed_cost=max_speed_cost, trials=trials)
    report = command.tune(request, how, progress(quiet, verbose), output)
    print_report(report.to_data(), json_to, report.lines(), quiet)
    check(report)
    return 0
