"""`zoo new`: a model card or a plugin to start from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from zoo_core.cli.options import Output
from zoo_core.errors import UsageError


def new(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="model, exporter, backend, decoder, ...")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as my-net.")],
    output: Output = None,
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="The family of a new model.")
    ] = None,
) -> int:
    """Write a new model's card, or a whole new plugin: one that works, to be changed.

    KIND is model, exporter, backend, decoder, dataset or evaluator. An exporter comes with the
    decoder and the card of its family, a backend with compiler and runtime. stdout names what was
    written.
    """
    from zoo_core.commands import new
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import load_registry

    plugins = Plugins.installed()
    if kind == "model":
        registry = load_registry(plugins.registry_files())
        result = new.new_card(name, family, output, registry, plugins)
    elif family is not None:
        raise UsageError("only a model has a family", where="--family", next="leave it out")
    else:
        result = new.new_plugin(kind, new.Naming.parse(name), output, plugins)
    for path in result.files:
        typer.echo(path)
    sys.stderr.write("next:\n" + "".join(f"  {step}\n" for step in result.steps))
    return 0
