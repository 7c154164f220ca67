"""`zoo models`: the models of the registry."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo_core.cli import completion
from zoo_core.cli.listing import (
    open_registry,
    print_table,
    warn_of_failures,
)
from zoo_core.cli.options import JsonFlag


def models(
    task: Annotated[str | None, typer.Option(help="Only models of this task.")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Only those of this repository: owner/name, or either part."),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help="Only those that it takes.", autocompletion=completion.backends),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Only those that a backend takes in this precision.")
    ] = None,
    runnable: Annotated[
        bool, typer.Option("--runnable", help="Only those that can be run here.")
    ] = False,
    json_wanted: JsonFlag = False,
) -> int:
    """List the models of the registry."""
    from zoo_core.commands import models

    registry, plugins = open_registry()
    filters = models.ModelFilter(
        task=task, source=source, backend=backend, precision=precision, runnable=runnable
    )
    rows = models.models(registry, plugins, filters)
    warn_of_failures(plugins)
    table = [
        (
            r["id"],
            r["task"],
            r["source"],
            r["weights"] or "-",
            "yes" if r["runnable"] else f"no: {r['reason']}",
        )
        for r in rows
    ]
    head = ("model", "task", "source", "weights", "runnable")
    return print_table("models", rows, head, table, json_wanted)
