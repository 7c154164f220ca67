"""`zoo doctor`: what a run needs of this machine."""

from __future__ import annotations

from dataclasses import asdict

from zoo_core.cli.listing import (
    list_plugins,
    print_entries,
    step,
)
from zoo_core.cli.options import JsonFlag


def doctor(json_wanted: JsonFlag = False) -> int:
    """Look at everything a run needs on this machine, and say what is missing."""
    from zoo_core.commands.doctor import checks

    rows = [asdict(item) for item in checks(list_plugins())]
    table = [(("ok" if r["ok"] else "--", r["name"]), (r["found"], step(r["next"]))) for r in rows]
    return print_entries("checks", rows, table, json_wanted)
