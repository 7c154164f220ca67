"""The verbs that make something: run, eval, plan, fetch, export, compile, predict, bench."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli import options
from zoo_core.cli.give import give_json
from zoo_core.cli.options import JsonTo, MinMetric, Output, Quiet, Verbose, with_request
from zoo_core.cli.talk import listener, say
from zoo_core.errors import UsageError
from zoo_core.output import RUNS, check_output
from zoo_core.planner.request import RunRequest

if TYPE_CHECKING:
    from zoo_core.planner.build import Run
    from zoo_core.workplace import Workplace

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


@with_request(*_COMPILING)
def bench(
    request: RunRequest,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Measure latency and throughput of the compiled model."""
    from zoo_core.measurement import bench_report
    from zoo_core.planner.build import Goal

    work, planned = _plan(request, Goal.COMPILE, quiet, output or RUNS)
    with listener(quiet, verbose) as talk:
        report = bench_report(planned, work, talk, output)
    _give(report, json_to, report["benchmark"]["lines"])
    return 0


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

    from zoo_core.deliveries import take_file
    from zoo_core.planner.build import Goal
    from zoo_core.workflow import make

    if from_file:
        from zoo_core.workplace import open_workplace

        say(take_file(open_workplace(), request.model, from_file), quiet)
        return 0
    if request.assets == "auto":
        request = replace(request, assets="published")
    work, planned = _plan(request, Goal.FETCH, quiet)
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

    from zoo_core.deliveries import deliver_graph
    from zoo_core.planner.build import Goal
    from zoo_core.workflow import make

    work, planned = _plan(replace(request, form=form), Goal.EXPORT, quiet, output or Path())
    with listener(quiet, verbose) as talk:
        made = make(planned, work, talk)
    for path in deliver_graph(made, output or Path()):
        typer.echo(path)
    return 0


@with_request(*_COMPILING)
def compile_(
    request: RunRequest, output: Output = None, verbose: Verbose = False, quiet: Quiet = False
) -> int:
    """Compile a model for a backend; the artefact goes to the output folder."""
    from zoo_core.deliveries import deliver_artefact
    from zoo_core.planner.build import Goal
    from zoo_core.workflow import make

    work, planned = _plan(request, Goal.COMPILE, quiet, output)
    with listener(quiet, verbose) as talk:
        made = make(planned, work, talk)
    for path in deliver_artefact(made, output):
        typer.echo(path)
    return 0


@with_request(*_EVERYTHING)
def predict(
    request: RunRequest,
    path: Annotated[
        Path | None, typer.Argument(help="An image or a folder; none: the sample's scenes.")
    ] = None,
    show_conf: Annotated[
        float, typer.Option("--show-conf", help="Lowest score that is drawn.")
    ] = 0.25,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Find objects in images: text files, COCO JSON and annotated pictures."""
    from dataclasses import replace

    from zoo_core.planner.build import Goal
    from zoo_core.prediction import predict_folder

    if path is None:
        if request.weights:
            raise UsageError("no image to look at", next="give an image or a folder")
        request = replace(request, assets="sample")
    work, planned = _plan(replace(request, predict=path), Goal.PREDICT, quiet, output or RUNS)
    with listener(quiet, verbose) as talk:
        report = predict_folder(planned, work, talk, output, show_conf)
    _give(report, json_to, report["lines"])
    return 0


compile_.__name__, evaluate.__name__ = "compile", "eval"
VERBS = (run, plan, fetch, export, compile_, predict, evaluate, bench)


def _plan(
    request: RunRequest, goal: Any, quiet: bool, output: Path | None = None
) -> tuple[Workplace, Run]:
    from zoo_core.forecast import forecast
    from zoo_core.workflow import plan as plan_request
    from zoo_core.workplace import open_workplace

    if output is not None:
        check_output(output)
    work = open_workplace()
    planned = plan_request(request, work, goal)
    say(_first_line(planned), quiet)
    say(forecast(planned, work, explain=False).line(), quiet)
    return work, planned


def _first_line(planned: Run) -> str:
    resolved = planned.resolved
    target = resolved.target
    what = f"{resolved.card.id} {target.precision} on {target.backend}/{target.device}"
    if resolved.weights.kind != "sample":
        return f"{what}, {resolved.weights.kind} weights"
    return (
        f"SAMPLE RUN of {what}: the bundled thin network on drawn scenes stands in, "
        "since the published weights and data cannot be had here or were not asked for"
    )


@dataclass(frozen=True, slots=True)
class _How:
    measure: bool
    gates: list[str] | None
    quiet: bool
    verbose: bool


def _carry_out(request: RunRequest, how: _How, output: Path | None, json_to: str | None) -> int:
    from zoo_core import gates
    from zoo_core.planner.build import Goal
    from zoo_core.report import terminal_lines
    from zoo_core.workflow import carry_out

    wanted = gates.parse(how.gates or ())
    work, planned = _plan(request, Goal.SCORE, how.quiet, output or RUNS)
    gates.refuse_sample(wanted, planned.resolved.weights.kind)
    with listener(how.quiet, how.verbose) as talk:
        report = carry_out(planned, work, talk, output, how.measure)
    _give(report, json_to, terminal_lines(report))
    gates.check(wanted, report)
    return 0


def _show_plan(request: RunRequest, json_to: str | None) -> int:
    from zoo_core.columns import columns
    from zoo_core.forecast import forecast
    from zoo_core.planner.build import Goal
    from zoo_core.workflow import plan as plan_request
    from zoo_core.workplace import open_workplace

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
    _give(report, json_to, [_first_line(planned), *columns(head, rows), found.line()])
    return 0


def _give(report: dict[str, Any], json_to: str | None, lines: list[str]) -> None:
    """Data goes to stdout: the JSON if it goes there, else the lines."""
    if json_to:
        give_json(json_to, report)
    for line in lines:
        if json_to == "-":
            say(line)
        else:
            typer.echo(line)
