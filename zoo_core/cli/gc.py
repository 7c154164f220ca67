"""`zoo gc`: garbage collection of the store and the caches."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo_core.cli.json_output import print_json
from zoo_core.cli.options import JsonFlag
from zoo_core.cli.output import echo, say


def gc(
    days: Annotated[
        int, typer.Option(metavar="N", min=0, help="Remove what no run has used for N days.")
    ] = 30,
    everything: Annotated[
        bool, typer.Option("--all", help="Remove all results, and empty the caches.")
    ] = False,
    caches: Annotated[bool, typer.Option("--caches", help="Empty the plugins' caches.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be removed.")
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """Remove unused results, remains of failed stages and unused cache files."""
    from zoo_core.commands.gc import clean, clean_caches, clean_claims, clean_environments
    from zoo_core.pipeline.store import Store
    from zoo_core.system.paths import CACHES, CLAIMS, ENVIRONMENTS, home

    report = clean(Store(home() / "store"), 0 if everything else days, dry_run, say)
    if not dry_run:
        clean_claims(home() / CLAIMS)
    age = 0 if everything or caches else days
    report["caches"] = [
        *clean_caches(home() / CACHES, age, dry_run),
        *clean_environments(home() / ENVIRONMENTS, age, dry_run),
    ]
    if as_json:
        return print_json({"schema": "zoo.gc/1", **report})
    verb = "would remove" if dry_run else "removed"
    count, megabytes = len(report["removed"]), report["bytes"] / 1e6
    echo(f"{verb} {count} of {count + report['kept']} results, {megabytes:.1f} MB")
    for row in report["caches"]:
        size, of = row["removed_bytes"] / 1e6, row["bytes"] / 1e6
        counts = f"{row['removed']} of {row['files']} files"
        echo(f"{verb} {counts} of the cache {row['name']}, {size:.1f} of {of:.1f} MB")
    return 0
