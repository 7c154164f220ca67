"""The verbs that make something: run, eval, plan, fetch, export, compile, predict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.flags import JsonTo, MinMetric, Output, Quiet, Verbose
from zoo_core.cli.options import with_request
from zoo_core.cli.prepare import first_line, give, prepare
from zoo_core.cli.progress import listener, say, telling
from zoo_core.errors import UsageError
from zoo_core.planning.request import RunRequest
from zoo_core.reporting.run_folder import RUNS

_EVERYTHING = (
    options.target,
    options.assets,
    options.data,
    options.calibration,
    options.protocol,
)
_COMPILING = (options.target, options.assets, options.calibration)


@with_request(*_EVERYTHING)
def run(
    request: RunRequest,
    min_metric: MinMetric = None,
    no_bench: Annotated[bool, typer.Option("--no-bench", help="Measure no speed.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Export, calibrate, compile, run over a data set, score, time and compare a model."""
    if plan:
        return _show_plan(request, json_to)
    how = _How(not no_bench, min_metric, quiet, verbose)
    return _carry_out(request, how, output, json_to)


@with_request(*_EVERYTHING)
def evaluate(
    request: RunRequest,
    min_metric: MinMetric = None,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Like run, without measuring speed."""
    return _carry_out(request, _How(False, min_metric, quiet, verbose), output, json_to)


@with_request(*_EVERYTHING)
def plan(request: RunRequest, json_to: JsonTo = None) -> int:
    """Show the stages of a run: which are in the store, which will run, and what changed."""
    return _show_plan(request, json_to)


@with_request(options.target, options.assets, options.data, options.calibration)
def fetch(
    request: RunRequest,
    from_file: Annotated[
        Path | None, typer.Option("--from-file", help="Weights brought by hand.")
    ] = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Download a model's weights and data into the cache, or take weights from a file."""
    from dataclasses import replace

    from zoo_core.commands.export import take_file
    from zoo_core.commands.run import make
    from zoo_core.planning.build import Goal

    if from_file:
        from zoo_core.commands.workspace import open_workplace

        say(take_file(open_workplace(), request.model, from_file), quiet)
        return 0
    if request.assets == "auto":
        request = replace(request, assets="published")
    work, planned = prepare(request, Goal.FETCH, quiet)
    with listener(quiet, verbose) as talk:
        make(planned, work, talk)
    return 0


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
    from dataclasses import replace

    from zoo_core.commands.export import check_graph, deliver_graph
    from zoo_core.commands.run import make
    from zoo_core.planning.build import Goal

    folder = output or Path()
    work, planned = prepare(replace(request, form=form), Goal.EXPORT, quiet, folder)
    check_graph(planned, folder)
    with listener(quiet, verbose) as talk:
        made = make(planned, work, talk)
    for path in deliver_graph(made, folder):
        typer.echo(path)
    return 0


@with_request(*_COMPILING, options.protocol)
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
    from zoo_core.commands.export import check_artefact, deliver_artefact, deliver_files
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
    paths = deliver_files(made, emit_only) if emit_only else deliver_artefact(made, output)
    for path in paths:
        typer.echo(path)
    return 0


@with_request(*_EVERYTHING)
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
    give(report, json_to, report["lines"], quiet)
    return 0


def _looking(request: RunRequest, path: Path | None) -> tuple[RunRequest, str]:
    """The request with what is looked at; and why that is the sample, where nothing is given."""
    from dataclasses import replace

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
    return replace(request, assets="sample"), "" if asked else "since no image was given"


@dataclass(frozen=True, slots=True)
class _How:
    measure: bool
    gates: list[str] | None
    quiet: bool
    verbose: bool


def _carry_out(request: RunRequest, how: _How, output: Path | None, json_to: str | None) -> int:
    from zoo_core.commands.run import carry_out
    from zoo_core.planning.build import Goal
    from zoo_core.reporting import gates
    from zoo_core.reporting.terminal import terminal_lines

    wanted = gates.parse(how.gates or ())
    work, planned = prepare(request, Goal.SCORE, how.quiet, output or RUNS)
    gates.refuse_sample(wanted, planned.resolved.weights.kind)
    report = carry_out(planned, work, telling(how.quiet, how.verbose), output, how.measure)
    give(report, json_to, terminal_lines(report), how.quiet)
    gates.check(wanted, report)
    return 0


def _show_plan(request: RunRequest, json_to: str | None) -> int:
    from zoo_core.commands.run import plan as plan_request
    from zoo_core.commands.workspace import open_workplace
    from zoo_core.planning.build import Goal
    from zoo_core.planning.preview import forecast
    from zoo_core.system.tables import columns

    work = open_workplace()
    planned = plan_request(request, work, Goal.SCORE)
    found = forecast(planned, work, explain=True)
    rows = [
        (
            "have" if row["cached"] else "make",
            row["name"],
            row["key"][:12],
            "" if row["expected_seconds"] is None else f"{row['expected_seconds']:.1f} s",
            ", ".join(row["changed"]),
        )
        for row in found.rows
    ]
    resolved = planned.resolved
    report = {
        "schema": "zoo.plan/1",
        "model": resolved.card.id,
        "target": resolved.target.to_data(),
        "assets": {
            "weights": resolved.weights.kind,
            "data": resolved.data.kind if resolved.data else None,
        },
        "protocol": resolved.protocol.name,
        "stages": found.rows,
        "download_bytes": found.download_bytes,
        "expected_seconds": found.seconds,
    }
    head = ("", "stage", "key", "expected", "changed since the last one")
    give(report, json_to, [first_line(planned), *columns(head, rows), found.line()])
    return 0
