"""`zoo compile`: compile a model for a backend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.options import Output, Quiet, Verbose, with_request
from zoo_core.cli.output import echo
from zoo_core.cli.progress import progress
from zoo_core.errors import UsageError
from zoo_core.planning.request import RunRequest


@with_request(*options.COMPILING, options.protocol, options.rules)
def compile_(
    request: RunRequest,
    emit_only: Annotated[
        Path | None,
        typer.Option(
            "--emit-only",
            metavar="DIR",
            help="Export a build folder for compilation on another machine.",
        ),
    ] = None,
    output: Output = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Compile a model for a backend, and copy the artefact to the output folder."""
    from zoo_core.commands import export

    if emit_only and output:
        raise UsageError("--emit-only and --output exclude each other", next="omit one of them")
    reporter = progress(quiet, verbose)
    if emit_only:
        paths = export.build_offline(request, reporter, emit_only)
    else:
        paths = export.compile_(request, reporter, output)
    for path in paths:
        echo(path)
    return 0
