"""`zoo run`: everything from weights to a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.gates import Against, Ending, GateExpr, Junit, MinMetric, Strict
from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo, Output, Quiet, Verbose, with_request
from zoo_core.cli.plan import show_plan
from zoo_core.cli.progress import progress
from zoo_core.planning.request import RunRequest


@with_request(*options.EVERYTHING)
def run(
    request: RunRequest,
    min_metric: MinMetric = None,
    gate: GateExpr = None,
    against: Against = None,
    strict: Strict = False,
    junit: Junit = None,
    no_bench: Annotated[bool, typer.Option("--no-bench", help="Skip the benchmark.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only show the plan.")] = False,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Export, compile, evaluate and benchmark a model; compare it with published results."""
    if plan:
        return show_plan(request, json_to)
    to = Destination(output, json_to, verbose, quiet)
    asked = Asked(tuple(min_metric or ()), tuple(gate or ()), against)
    return run_and_print(request, not no_bench, asked, to, Ending("run", strict, junit))


@dataclass(frozen=True, slots=True)
class Destination:
    """Where results go, and how much progress is reported."""

    folder: Path | None
    json_to: str | None
    verbose: bool
    quiet: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """The gates as they were written."""

    figures: tuple[str, ...]
    expressions: tuple[str, ...]
    against: str | None


def run_and_print(
    request: RunRequest, bench: bool, asked: Asked, to: Destination, ending: Ending
) -> int:
    """Run a request and print its report; raises the error of a failed gate."""
    from zoo_core.commands.run import run as run_request
    from zoo_core.reporting.gates.expression import parse_figures, parse_gates
    from zoo_core.reporting.markdown import markdown
    from zoo_core.reporting.terminal import terminal_lines

    ending.keep_apart(to.json_to, to.folder)
    with ending.told():
        limits = (*parse_figures(asked.figures), *parse_gates(asked.expressions))
        report = run_request(
            request,
            progress(to.quiet, to.verbose),
            to.folder,
            bench=bench,
            gates=limits,
            against=asked.against,
        )
    print_report(report.to_data(), to.json_to, terminal_lines(report), to.quiet)
    head = report.header
    title = f"{head.title} {head.precision} on {head.backend}/{head.device}"
    stages, page = head.stages, markdown(report)
    return ending.finish(report.gates, head.output, title=title, stages=stages, page=page)
