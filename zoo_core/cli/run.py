"""`zoo run`: the whole chain, from weights to a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.json_output import give
from zoo_core.cli.options import JsonTo, MinMetric, Output, Quiet, Verbose, with_request
from zoo_core.cli.plan import show_plan
from zoo_core.cli.prepare import prepare
from zoo_core.cli.progress import telling
from zoo_core.planning.request import RunRequest
from zoo_core.reporting.run_folder import RUNS


@with_request(*options.EVERYTHING)
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
        return show_plan(request, json_to)
    how = Handling(not no_bench, min_metric, quiet, verbose)
    return carry_out_request(request, how, output, json_to)


@dataclass(frozen=True, slots=True)
class Handling:
    """What a run does beside the request: measure speed, check gates, talk."""

    measure: bool
    gates: list[str] | None
    quiet: bool
    verbose: bool


def carry_out_request(
    request: RunRequest, how: Handling, output: Path | None, json_to: str | None
) -> int:
    """Run a request and print its report; raises the error of a gate that is missed."""
    from zoo_core.commands.run import carry_out
    from zoo_core.planning.build import Goal
    from zoo_core.reporting import gates
    from zoo_core.reporting.terminal import terminal_lines

    wanted = gates.parse(how.gates or ())
    work, planned = prepare(request, Goal.SCORE, how.quiet, output or RUNS)
    gates.refuse_sample(wanted, planned.resolved.weights.kind)
    report = carry_out(planned, work, telling(how.quiet, how.verbose), output, how.measure)
    give(report.to_data(), json_to, terminal_lines(report), how.quiet)
    gates.check(wanted, report)
    return 0
