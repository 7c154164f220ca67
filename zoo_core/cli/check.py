"""`zoo check`: check the registry against the installed plugins."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from zoo_core.cli import completion
from zoo_core.cli.listing import (
    open_registry,
    print_entries,
    step,
)
from zoo_core.cli.options import JsonFlag
from zoo_core.cli.output import echo
from zoo_core.errors import counted


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
    print_entries("findings", rows, table, as_json)
    counts = Counter(row["severity"] for row in rows)
    if not as_json:
        found = [counted(count, kind) for kind, count in sorted(counts.items())]
        what = model or f"{len(registry.models)} models"
        text = ", ".join(found) or "no findings"
        echo(f"{text}: {what}, {len(plugins.plugins)} plugins")
    return 2 if counts["error"] else 0
