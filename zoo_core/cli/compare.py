"""`zoo compare`: differences of runs, with intervals."""

from __future__ import annotations

from typing import Annotated

import typer

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
    gate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="drop<=F",
            help="Exit 3 if the first metric (drop:METRIC<=F: another) of the last run is surely "
            "more than F, a fraction, below the first run's, or if the runs are not comparable.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 3 for gates that are not decided, too.")
    ] = False,
    json_to: JsonTo = None,
) -> int:
    """Compare runs: differences of the last from the first, with intervals."""
    from zoo_core.commands.finished.compare import compare as compare_references
    from zoo_core.reporting.difference_gates import check_gates

    report = compare_references(runs, gate or ())
    print_report(report.to_data(), json_to, report.lines())
    check_gates(report, strict)
    return 0
