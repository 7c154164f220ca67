"""`zoo new`: create a model card or a plugin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.cli.options import Output
from zoo_core.cli.output import echo, say
from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.commands.new import NewFiles
    from zoo_core.plugins.manager import Plugins

_ANSWERS = (
    "Answer to a question of --source-repo: commit, run, requirements, decoder, license, output, "
    "shims, stubs, weights or size."
)


def new(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="model, exporter, backend, decoder, dataset or evaluator."
        ),
    ],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the model or plugin, such as my-net.")
    ],
    output: Output = None,
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="Family of the new model.")
    ] = None,
    source_repo: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Repository that exports the model; asks for the rest."),
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help=_ANSWERS),
    ] = None,
) -> int:
    """Create a model card, or a working plugin to start from.

    An exporter comes with a decoder and a model card, a backend with a compiler and a runtime. The
    paths of the new files go to stdout, the next steps to stderr.
    """
    from zoo_core.commands import new
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import load_registry

    plugins = Plugins.installed()
    if source_repo is not None and (kind, family) == ("model", None):
        result = _source_card(name, source_repo, answer or [], output, plugins)
    elif source_repo is not None or answer:
        what = "belongs to a new model without --family"
        step = "a model whose repository exports it has no family yet"
        raise UsageError(what, where="--source-repo", next=step)
    elif kind == "model":
        registry = load_registry(plugins.registry_files())
        result = new.new_card(name, family, output, registry, plugins)
    elif family is not None:
        raise UsageError("only a model has a family", where="--family", next="omit it")
    else:
        result = new.new_plugin(kind, new.Naming.parse(name), output, plugins)
    for path in result.files:
        echo(path)
    say("\n".join(["next:", *(f"  {step}" for step in result.steps)]))
    return 0


def _source_card(
    name: str, url: str, answers: list[str], output: Path | None, plugins: Plugins
) -> NewFiles:
    """A card of a repository; a person at a terminal is asked what the answers leave open."""
    from zoo_core.commands.new import source_card
    from zoo_core.registry import load_registry

    given = source_card.answered(answers, _ask if sys.stdin.isatty() else None)
    registry = load_registry(plugins.registry_files())
    place = source_card.Workplace(registry=registry, plugins=plugins)
    return source_card.new_source_card(name, url, given, output, place)


def _ask(question: str, default: str) -> str:
    """The answer of the person at the terminal; questions go to stderr."""
    return str(typer.prompt(question, default=default, show_default=bool(default), err=True))
