"""`zoo plan`: the stages of a run, and which of them are cached."""

from __future__ import annotations

from zoo_core.cli import options
from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo, with_request
from zoo_core.errors import DataError
from zoo_core.planning.request import RunRequest


@with_request(*options.EVERYTHING)
def plan(request: RunRequest, json_to: JsonTo = None) -> int:
    """Show the stages of a run: which are cached, which will run, and what changed."""
    return show_plan(request, json_to)


def show_plan(request: RunRequest, json_to: str | None) -> int:
    """Print the plan of a request; `zoo run --plan` does the same."""
    from zoo_core.commands.workspace import open_workspace
    from zoo_core.planning.build import Goal
    from zoo_core.planning.preview import preview
    from zoo_core.reporting.terminal import first_line, warning_lines
    from zoo_core.system.terminal import columns

    work, missing = open_workspace(), None
    try:
        planned = work.plan(request, Goal.SCORE)
    except DataError as error:  # what is missing here may be all that is
        if json_to:
            raise
        planned, missing = work.plan_with_network(request, Goal.SCORE), error
    forecast = preview(planned.plan, work.store, work.durations, explain=True)
    rows = [
        (
            "cached" if row["cached"] else "run",
            row["name"],
            row["key"][:12],
            "" if row["expected_seconds"] is None else f"{row['expected_seconds']:.1f} s",
            ", ".join(row["changed"]),
        )
        for row in forecast.rows
    ]
    resolved = planned.resolved
    report = {
        "schema": "zoo.plan/1",
        "model": resolved.card.id,
        "name": resolved.name,
        "target": resolved.target.to_data(),
        "assets": {
            "weights": resolved.weights.kind,
            "data": resolved.data.kind if resolved.data else None,
        },
        "protocol": resolved.protocol.name,
        "stages": forecast.rows,
        "download_bytes": forecast.download_bytes,
        "expected_seconds": forecast.seconds,
        "warnings": list(resolved.warnings),
    }
    head = ("", "stage", "key", "expected", "changed since the nearest result")
    heading = [first_line(planned), *warning_lines(resolved.warnings)]
    table = [*columns(head, rows), *forecast.notices, forecast.line()]
    print_report(report, json_to, [*heading, *table])
    if missing:
        raise missing
    return 0
