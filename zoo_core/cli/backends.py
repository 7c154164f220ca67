"""`zoo backends`: the backends and their devices."""

from __future__ import annotations

from zoo_core.cli.listing import (
    list_plugins,
    print_table,
    warn_of_failures,
)
from zoo_core.cli.options import JsonFlag


def backends(as_json: JsonFlag = False) -> int:
    """List all backends, and why some are not available here."""
    from zoo_core.commands import listings

    plugins = list_plugins()
    rows = listings.backends(plugins)
    warn_of_failures(plugins)
    table = [
        (
            f"{r['name']} (default)" if r["default"] else r["name"],
            r["compiler"],
            r["runtime"],
            " ".join(r["precisions"]),
            " ".join(d["id"] if d["available"] else f"({d['id']})" for d in r["devices"]),
            r["version"] or "-",
            "yes" if r["available"] else f"no: {r['reason']}; {r['next_step']}",
        )
        for r in rows
    ]
    head = ("backend", "compiler", "runtime", "precisions", "devices", "version", "available")
    return print_table("backends", rows, head, table, as_json)
