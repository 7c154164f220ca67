"""`zoo show`: one model's card."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from zoo_core.cli import completion
from zoo_core.cli.json_output import print_json
from zoo_core.cli.listing import (
    open_registry,
)
from zoo_core.cli.options import JsonFlag


def show(
    model: Annotated[str, typer.Argument(help="A model's id.", autocompletion=completion.models)],
    backend: Annotated[
        str | None,
        typer.Option(
            help="Also say what the values come to there.", autocompletion=completion.backends
        ),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="And in this precision.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="H,W", help="And at this network input.")
    ] = None,
    json_wanted: JsonFlag = False,
) -> int:
    """Show a model's card, its family merged in."""
    from zoo_core.commands import show
    from zoo_core.planning.request import size_of

    registry, plugins = open_registry()
    asked = show.ShowOptions(
        backend=backend, precision=precision, size=size_of(size) if size else None
    )
    found = show.show(registry, plugins, model, asked)
    if json_wanted:
        return print_json({"schema": "zoo.show/1", **found})
    sys.stdout.write(show.text(found))
    return 0
