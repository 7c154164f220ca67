"""`zoo datasets`: the data sets."""

from __future__ import annotations

from zoo_core.cli.listing import (
    list_plugins,
    print_table,
)
from zoo_core.cli.options import JsonFlag


def datasets(as_json: JsonFlag = False) -> int:
    """List the data sets."""
    from zoo_core.commands import listings

    rows = listings.datasets(list_plugins())
    table = [(r["name"], r["distribution"], r["summary"]) for r in rows]
    return print_table("datasets", rows, ("data set", "distribution", "summary"), table, as_json)
