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
    task: Annotated[str | None, typer.Option(help="Only models for this task.")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Only models from this repository: owner/name, owner or name."),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="Only models that this backend supports.", autocompletion=completion.backends
        ),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Only models that a backend supports in this precision.")
    ] = None,
    runnable: Annotated[
        bool, typer.Option("--runnable", help="Only models that can run here.")
    ] = False,
    as_json: JsonFlag = False,
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
    return print_table("models", rows, head, table, as_json)
