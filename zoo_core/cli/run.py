"""`zoo run`: everything from weights to a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo, MinMetric, Output, Quiet, Verbose, with_request
from zoo_core.cli.plan import show_plan
from zoo_core.cli.progress import progress
from zoo_core.planning.request import RunRequest


@with_request(*options.EVERYTHING)
def run(
    request: RunRequest,
    min_metric: MinMetric = None,
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
    return run_and_print(request, not no_bench, min_metric, to)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where results go, and how much progress is reported."""

    folder: Path | None
    json_to: str | None
    verbose: bool
    quiet: bool


def run_and_print(
    request: RunRequest, bench: bool, min_metric: list[str] | None, to: Destination
) -> int:
    """Run a request and print its report; raises the error of a failed gate."""
    from zoo_core.commands.run import run as run_request
    from zoo_core.reporting import gates
    from zoo_core.reporting.terminal import terminal_lines

    limits = gates.parse(min_metric or ())
    reporter = progress(to.quiet, to.verbose)
    report = run_request(request, reporter, to.folder, bench=bench, gates=limits)
    print_report(report.to_data(), to.json_to, terminal_lines(report), to.quiet)
    gates.check(limits, report)
    return 0
