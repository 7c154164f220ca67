"""`zoo eval`: like `zoo run`, without the benchmark."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.gates import Against, Ending, GateExpr, Junit, MinMetric, Strict
from zoo_core.cli.options import JsonTo, Output, Quiet, Verbose, with_request
from zoo_core.cli.run import Asked, Destination, run_and_print
from zoo_core.planning.request import RunRequest


@with_request(*options.EVERYTHING)
def eval_(
    request: RunRequest,
    min_metric: MinMetric = None,
    gate: GateExpr = None,
    against: Against = None,
    strict: Strict = False,
    junit: Junit = None,
    no_bench: Annotated[
        bool, typer.Option("--no-bench", help="Changes nothing: eval never benchmarks.")
    ] = False,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Like run, without the benchmark."""
    asked = Asked(tuple(min_metric or ()), tuple(gate or ()), against)
    to = Destination(output, json_to, verbose, quiet)
    return run_and_print(request, False, asked, to, Ending("eval", strict, junit))
