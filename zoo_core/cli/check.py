"""`zoo check`: check the registry against the installed plugins."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo_core.cli import completion
from zoo_core.cli.listing import (
    open_registry,
    print_entries,
    step,
)
from zoo_core.cli.options import JsonFlag


def check(
    model: Annotated[
        str | None, typer.Argument(help="Check only this model.", autocompletion=completion.models)
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Check the registry and the plugins; exit 2 on errors."""
    from zoo_core.commands.check import check as check_registry

    registry, plugins = open_registry()
    rows = check_registry(registry, plugins, model)
    table = [((r["severity"],), (r["where"], r["message"], step(r["next"]))) for r in rows]
    if not rows and not as_json:
        what = model or f"{len(registry.models)} models"
        typer.echo(f"no findings: {what}, {len(plugins.plugins)} plugins")
        return 0
    print_entries("findings", rows, table, as_json)
    return 2 if any(row["severity"] == "error" for row in rows) else 0
