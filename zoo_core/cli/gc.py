"""`zoo gc`: remove what no run needs any more."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from zoo_core.cli.options import JsonFlag


def gc(
    days: Annotated[
        int, typer.Option(min=0, help="Remove what no run has used for so many days.")
    ] = 30,
    everything: Annotated[
        bool, typer.Option("--all", help="Remove every result, and empty the caches.")
    ] = False,
    caches: Annotated[
        bool, typer.Option("--caches", help="Empty what plugins cache to be faster.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json_wanted: JsonFlag = False,
) -> int:
    """Remove results that no run needs any more, and remains of failed stages."""
    from zoo_core.commands.gc import clean, clean_caches
    from zoo_core.pipeline.store import Store
    from zoo_core.system.paths import CACHES, home

    report = clean(Store(home() / "store"), 0 if everything else days, dry_run)
    age = 0 if everything or caches else days
    report["caches"] = clean_caches(home() / CACHES, age, dry_run)
    if json_wanted:
        sys.stdout.write(json.dumps({"schema": "zoo.gc/1", **report}, indent=1) + "\n")
        return 0
    verb = "would remove" if dry_run else "removed"
    count, megabytes = len(report["removed"]), report["bytes"] / 1e6
    typer.echo(f"{verb} {count} of {count + report['kept']} results, {megabytes:.1f} MB")
    for row in report["caches"]:
        size, of = row["removed_bytes"] / 1e6, row["bytes"] / 1e6
        counts = f"{row['removed']} of {row['files']} files"
        typer.echo(f"{verb} {counts} of the cache {row['name']}, {size:.1f} of {of:.1f} MB")
    return 0
