"""`zoo doctor`: check whether this machine has what runs need."""

from __future__ import annotations

from dataclasses import asdict

from zoo_core.cli.listing import (
    list_plugins,
    print_entries,
    step,
)
from zoo_core.cli.options import JsonFlag


def doctor(as_json: JsonFlag = False) -> int:
    """Check the software, hardware, folders and network that runs need."""
    from zoo_core.commands.doctor import checks

    rows = [asdict(item) for item in checks(list_plugins())]
    table = [(("ok" if r["ok"] else "--", r["name"]), (r["found"], step(r["next"]))) for r in rows]
    return print_entries("checks", rows, table, as_json)
