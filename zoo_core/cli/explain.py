"""`zoo explain`: why a run's figure is not another one, and what each difference makes of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zoo_core.cli.json_output import print_json, print_lines
from zoo_core.cli.options import JsonFlag, Quiet, Verbose, with_rules
from zoo_core.cli.progress import progress


@with_rules()
def explain(
    values: dict[str, Any],
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Run folder, or MODEL:BACKEND:PRECISION for the newest such run."
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="ROW|PROTOCOL",
            help="Published row of the model's card, or a protocol; without it: what there is.",
        ),
    ] = None,
    as_json: JsonFlag = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Explain a run's accuracy: what each difference from another protocol makes of it."""
    from zoo_core.commands.finished.explain import explain as explain_run

    report = explain_run(run, against, values, progress(quiet, verbose))
    if as_json:
        return print_json(report.to_data())
    print_lines(None, report.lines(), quiet)
    return 0
