"""`zoo predict`: what a model sees in images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.json_output import give
from zoo_core.cli.options import JsonTo, Output, Quiet, Verbose, with_request
from zoo_core.cli.prepare import prepare
from zoo_core.cli.progress import listener
from zoo_core.errors import UsageError
from zoo_core.planning.request import RunRequest
from zoo_core.reporting.run_folder import RUNS


@with_request(*options.EVERYTHING)
def predict(
    request: RunRequest,
    path: Annotated[
        Path | None,
        typer.Argument(help="An image or a folder, as --images; none: the sample's scenes."),
    ] = None,
    show_conf: Annotated[
        float, typer.Option("--show-conf", help="Lowest score that is drawn.")
    ] = 0.25,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """What a model sees in images: files of the task's own formats and annotated pictures."""
    from zoo_core.commands.predict import predict_folder
    from zoo_core.planning.build import Goal

    if not 0 <= show_conf <= 1:
        raise UsageError(f"{show_conf} is no score", where="--show-conf", next="give 0 to 1")
    looking, why = _looking(request, path)
    work, planned = prepare(looking, Goal.PREDICT, quiet, output or RUNS, why)
    with listener(quiet, verbose) as talk:
        report = predict_folder(planned, work, talk, output, show_conf)
    give(report.to_data(), json_to, report.lines(), quiet)
    return 0


def _looking(request: RunRequest, path: Path | None) -> tuple[RunRequest, str]:
    """The request with what is looked at; and why that is the sample, where nothing is given."""
    if path and (request.images or request.annotations):
        raise UsageError("PATH excludes --images and --annotations", next="leave PATH out")
    if request.annotations and not request.images:
        raise UsageError("--annotations needs --images DIR")
    if path or (request.images and not request.annotations and not request.dataset):
        return replace(request, predict=path or request.images, images=None), ""
    if request.images or request.dataset:
        return request, ""
    if request.weights:
        raise UsageError("no image to look at", next="give an image or a folder")
    asked = request.assets == "sample"
    return replace(request, assets="sample"), "" if asked else "because no image was given"
