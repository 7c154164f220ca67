"""`zoo export`: a model as a graph file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.options import Output, Quiet, Verbose, with_request
from zoo_core.cli.prepare import prepare
from zoo_core.cli.progress import listener
from zoo_core.planning.request import RunRequest


@with_request(options.target, options.assets)
def export(
    request: RunRequest,
    form: Annotated[
        str | None, typer.Option(metavar="heads|e2e", help="Raw heads, or boxes and confs.")
    ] = None,
    output: Output = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Export a model to a graph file, checked against its source."""
    from zoo_core.commands.export import check_graph, export_graph
    from zoo_core.commands.run import make
    from zoo_core.planning.build import Goal

    folder = output or Path()
    work, planned = prepare(replace(request, form=form), Goal.EXPORT, quiet, folder)
    check_graph(planned, folder)
    with listener(quiet, verbose) as talk:
        made = make(planned, work, talk)
    for path in export_graph(made, folder):
        typer.echo(path)
    return 0
