"""`zoo protocols`: the scoring protocols."""

from __future__ import annotations

from zoo_core.cli.listing import (
    open_registry,
    print_table,
)
from zoo_core.cli.options import JsonFlag


def protocols(as_json: JsonFlag = False) -> int:
    """List the scoring protocols and their values."""
    from zoo_core.commands import listings

    rows = listings.protocols(open_registry()[0])
    table = [
        (r["name"], r["task"], " ".join(f"{k}={v}" for k, v in r["values"].items())) for r in rows
    ]
    return print_table("protocols", rows, ("protocol", "task", "values"), table, as_json)
