"""`zoo compare`: differences of runs, with intervals."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo_core.cli.gates import Ending, GateExpr, Junit, Strict
from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C]...",
            help="Run folders, or MODEL:BACKEND:PRECISION for the newest such run.",
        ),
    ],
    gate: GateExpr = None,
    strict: Strict = False,
    junit: Junit = None,
    json_to: JsonTo = None,
) -> int:
    """Compare runs: differences of the last from the first, with intervals.

    Gates are judged on the last run, drop and yolo-99 against the first.
    """
    from zoo_core.commands.finished.compare import compare as compare_references

    ending = Ending("compare", strict, junit)
    ending.keep_apart(json_to, None)
    with ending.told():
        report = compare_references(runs, gate or ())
    lines = report.lines()
    print_report(report.to_data(), json_to, lines)
    return ending.finish(report.gates, "--gate", title=" ".join(runs), lines=lines)
