"""`zoo package`: a run for a machine without zoo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo, Quiet, RunFolder, Verbose
from zoo_core.cli.progress import progress


def package(
    run: RunFolder,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the package.")],
    images: Annotated[
        int, typer.Option(metavar="N", help="Images of the run that become golden inputs.")
    ] = 4,
    no_images: Annotated[
        bool, typer.Option("--no-images", help="Store only the tensors of the golden inputs.")
    ] = False,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Write a folder that runs the network of a run without zoo, with a check."""
    from zoo_core.commands.finished.package import package as package_run

    talk = progress(quiet, verbose)
    document, lines = package_run(run, output, talk, images, with_images=not no_images)
    print_report(document, json_to, [*lines, f"package: {output}"], quiet)
    return 0
