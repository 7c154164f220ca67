"""`zoo models`: the models of the registry."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli import completion
from zoo_core.cli.json_output import print_json
from zoo_core.cli.listing import open_registry, warn_of_failures
from zoo_core.cli.options import JsonFlag
from zoo_core.cli.output import echo
from zoo_core.errors import counted
from zoo_core.planning.request import size_of
from zoo_core.system.terminal import WIDTH, columns

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = ("model", "task", "input", "weights", "repository")
_LEAST_NEEDED = (4, 1, 2)
"""Columns of the table that go first where the terminal is narrow."""

_FIRST, _LAST = 22, 12
"""Letters that stay of a long text, such as `file NAME`, before and after `...`."""


_Size = Annotated[
    str | None,
    typer.Option(
        metavar="N|H,W",
        help="Only models whose network takes images of this size: 640, or height,width.",
    ),
]


def models(
    task: Annotated[str | None, typer.Option(help="Only models for this task.")] = None,
    family: Annotated[
        str | None, typer.Option(help="Only models of this family of the registry.")
    ] = None,
    size: _Size = None,
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
    """List the models: what runs here, then the rest with the one thing that is missing.

    The size is that of the images which the network takes, in pixels. A narrow terminal shows fewer
    columns; `--json` has all.
    """
    from zoo_core.commands import models

    registry, plugins = open_registry()
    if size and not size.isdecimal():
        size = models.size_text(size_of(size))
    filters = models.ModelFilter(
        task=task,
        family=family,
        size=size,
        source=source,
        backend=backend,
        precision=precision,
        runnable=runnable,
    )
    rows = models.models(registry, plugins, filters)
    warn_of_failures(plugins)
    if as_json:
        return print_json({"schema": "zoo.models/1", "models": rows})
    for line in _lines(rows):
        echo(line.rstrip())
    return 0


def _lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What runs here, then the rest, as one table without the columns that do not fit."""
    here = [row for row in rows if row["runnable"]]
    rest = [row for row in rows if not row["runnable"]]
    table = [
        *(_cells(row, row["weights"]) for row in here),
        ["model", "task", "input", "missing", "repository"],
        *(_cells(row, row["missing"]) for row in rest),
    ]
    width = shutil.get_terminal_size((WIDTH, 0)).columns
    kept = list(range(len(_HEAD)))
    for at in (None, *_LEAST_NEEDED):
        kept = [column for column in kept if column != at]
        cut = [[row[column] for column in kept] for row in table]
        lines = columns([_HEAD[column] for column in kept], cut)
        if max(map(len, lines)) <= width:
            break
    lines[len(here) + 1 : len(here) + 1] = [
        f"{counted(len(rest), 'model lacks', 'models lack')} one thing; `zoo fetch MODEL` gets it, "
        "or tells where it is"
    ]
    first = [f"{counted(len(here), 'model runs', 'models run')} here", *lines[: len(here) + 1]]
    return [*(first if here or not rest else first[:0]), *(lines[len(here) + 1 :] if rest else [])]


def _cells(row: dict[str, Any], what: str) -> list[str]:
    from zoo_core.commands.models import size_text

    short = f"{what[:_FIRST]}...{what[-_LAST:]}" if len(what) > _FIRST + _LAST + 3 else what
    return [row["id"], row["task"], size_text(row["size"]), short or "-", row["source"]]
