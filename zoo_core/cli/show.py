"""`zoo show`: one model's card."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo_core.cli import completion
from zoo_core.cli.json_output import print_json
from zoo_core.cli.listing import (
    open_registry,
)
from zoo_core.cli.options import JsonFlag
from zoo_core.cli.output import echo


def show(
    model: Annotated[str, typer.Argument(help="Model id.", autocompletion=completion.models)],
    backend: Annotated[
        str | None,
        typer.Option(
            help="Also show the effective values for this backend.",
            autocompletion=completion.backends,
        ),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Precision of the effective values; needs --backend.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="H,W", help="Input size of the effective values.")
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Show a model's card, merged with its family."""
    from zoo_core.commands import show
    from zoo_core.planning.request import size_of

    registry, plugins = open_registry()
    options = show.ShowOptions(
        backend=backend, precision=precision, size=size_of(size) if size else None
    )
    result = show.show(registry, plugins, model, options)
    if as_json:
        return print_json({"schema": "zoo.show/1", **result})
    echo(show.text(result).removesuffix("\n"))
    return 0
