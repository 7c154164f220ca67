"""`zoo compile`: a model as an artefact of a backend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.options import Output, Quiet, Verbose, with_request
from zoo_core.cli.prepare import prepare
from zoo_core.cli.progress import listener
from zoo_core.errors import UsageError
from zoo_core.planning.request import RunRequest


@with_request(*options.COMPILING, options.protocol)
def compile_(
    request: RunRequest,
    emit_only: Annotated[
        Path | None,
        typer.Option(
            "--emit-only",
            metavar="DIR",
            help="Only write the files that a machine with the vendor's tools compiles.",
        ),
    ] = None,
    output: Output = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Compile a model for a backend; the artefact goes to the output folder."""
    from zoo_core.commands.export import check_artefact, export_artefact, export_build_folder
    from zoo_core.commands.run import make
    from zoo_core.planning.build import Goal

    if emit_only and output:
        raise UsageError("--emit-only DIR and --output exclude each other")
    goal = Goal.EMIT if emit_only else Goal.COMPILE
    work, planned = prepare(request, goal, quiet, emit_only or output)
    if not emit_only:
        check_artefact(planned, output)
    with listener(quiet, verbose) as talk:
        made = make(planned, work, talk)
    paths = export_build_folder(made, emit_only) if emit_only else export_artefact(made, output)
    for path in paths:
        typer.echo(path)
    return 0
