"""`zoo replay`: a run once more."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo, Output, Quiet, RunFolder, Verbose
from zoo_core.cli.progress import progress


def replay(
    run: RunFolder,
    output: Output = None,
    cached: Annotated[
        bool, typer.Option("--cached", help="Take stages from the cache where they are there.")
    ] = False,
    moved: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help="Where weights, cfg, names, images, annotations or calibration are now.",
        ),
    ] = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Rebuild a run from its manifest; say what is equal, and what is not and why.

    Exit 0 if the results are equal or within tolerance, 3 if they are different.
    """
    from zoo_core.commands.finished.replay import replay as replay_run

    pairs = [text.partition("=") for text in moved or ()]
    places = {name: path for name, _, path in pairs}
    told = replay_run(run, progress(quiet, verbose), output, cached=cached, moved=places)
    print_report(told.to_data(), json_to, told.lines(), quiet)
    told.check()
    return 0
