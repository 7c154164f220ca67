"""`zoo predict`: run a model on images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo, Output, Quiet, Verbose, with_request
from zoo_core.cli.progress import progress
from zoo_core.errors import UsageError
from zoo_core.planning.request import RunRequest


@with_request(*options.EVERYTHING)
def predict(
    request: RunRequest,
    path: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Images, folders, lists of paths (.txt) or quoted patterns; "
            "default: the sample's scenes."
        ),
    ] = None,
    show_conf: Annotated[
        float | None,
        typer.Option("--show-conf", help="Minimum score to draw; default: all that is written."),
    ] = None,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Run a model on images; write prediction files and annotated pictures."""
    from zoo_core.commands.predict import predict as predict_images
    from zoo_core.reporting.terminal import report_lines

    if show_conf is not None and not 0 <= show_conf <= 1:
        raise UsageError(f"invalid score {show_conf}", where="--show-conf", next="give 0 to 1")
    report = predict_images(request, progress(quiet, verbose), output, path or (), show_conf)
    print_report(report.to_data(), json_to, report_lines(report), quiet)
    return 0
