"""`zoo fetch`: weights and data into the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.options import Quiet, Verbose, with_request
from zoo_core.cli.output import say
from zoo_core.cli.progress import progress
from zoo_core.planning.request import RunRequest


@with_request(options.target, options.assets, options.data, options.calibration)
def fetch(
    request: RunRequest,
    from_file: Annotated[
        Path | None, typer.Option("--from-file", help="Weights file to import into the cache.")
    ] = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Download a model's weights and data into the cache, or import a weights file."""
    from zoo_core.commands.export import fetch as fetch_assets
    from zoo_core.commands.export import import_weights
    from zoo_core.commands.workspace import open_workspace

    if from_file:
        say(import_weights(open_workspace(), request.model, from_file), quiet)
    else:
        fetch_assets(request, progress(quiet, verbose))
    return 0
