"""`zoo export`: a model as a graph file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.options import Output, Quiet, Verbose, with_request
from zoo_core.cli.output import echo
from zoo_core.cli.progress import progress
from zoo_core.planning.request import RunRequest


@with_request(options.target, options.assets)
def export(
    request: RunRequest,
    form: Annotated[
        str | None,
        typer.Option(metavar="heads|e2e", help="Outputs: raw heads, or boxes and confidences."),
    ] = None,
    output: Output = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Export a model to a graph file, verified against its source."""
    from zoo_core.commands.export import export as export_graph

    request = replace(request, form=form)
    for path in export_graph(request, progress(quiet, verbose), output):
        echo(path)
    return 0
