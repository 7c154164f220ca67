"""The typer application; the module of a verb is imported only when the verb is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import TyperPath

from zoo_core import __version__
from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SETTINGS = {"help_option_names": ["-h", "--help"]}

VERBS = {
    "run": "Export, calibrate, compile, run over a data set, score, time and compare a model.",
    "plan": "Show the stages of a run: which are in the store, which will run, and what changed.",
    "fetch": "Download a model's weights and data into the cache, or take weights from a file.",
    "export": "Export a model to a graph file, checked against its source.",
    "compile": "Compile a model for a backend; the artefact goes to the output folder.",
    "predict": "What a model sees in images: files of the task's own formats and annotated "
    "pictures.",
    "eval": "Like run, without measuring speed.",
    "bench": "Measure latency and throughput of the compiled model.",
    "models": "List the models of the registry.",
    "backends": "List every registered backend, and what keeps those that cannot run here.",
    "plugins": "List plugins, what they provide and why some do not; or test, enable, disable "
    "them.",
    "new": "Write a new model's card, or a whole new plugin: one that works, to be changed.",
    "datasets": "List the data sets.",
    "protocols": "List the scoring protocols and their values.",
    "show": "Show a model's card, its family merged in.",
    "check": "Check the registry and the plugins; exits 2 where something is wrong.",
    "doctor": "Look at everything a run needs on this machine, and say what is missing.",
    "runs": "List earlier runs on this machine.",
    "gc": "Remove results that no run needs any more, and remains of failed stages.",
}
"""Verb -> the first line of its help; the module of the same name has the rest."""


class Verbs(TyperGroup):
    """The group of all verbs: its help imports none of them."""

    def __init__(self, **settings: Any) -> None:
        """Takes what typer gives a group; its commands are the table's."""
        named = {name: TyperCommand(name, help=summary) for name, summary in VERBS.items()}
        super().__init__(**{**settings, "commands": named})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb's name, its command made from its function, and the arguments after it."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and command(name), rest


app = typer.Typer(
    name="zoo",
    cls=Verbs,
    help="Export, calibrate, compile, run, score, time and compare models, on any backend.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings=SETTINGS,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"zoo {__version__}")
        raise typer.Exit


@app.callback()
def zoo(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Export, calibrate, compile, run, score, time and compare models, on any backend."""


def run_app(arguments: Sequence[str]) -> int:
    """Parse and run; exceptions go to the boundary."""
    result = typer.main.get_command(app).main(
        args=list(arguments), prog_name="zoo", standalone_mode=False
    )
    return result if isinstance(result, int) else 0


def command(verb: str) -> Any:
    """The command of a verb."""
    single = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=SETTINGS)
    single.command(verb)(function(verb))
    made = typer.main.get_command(single)
    for parameter in made.params:
        if type(parameter.type) is TyperPath:
            parameter.type = _Place()
    return made


class _Place(TyperPath):
    """A path, which an empty text is not: a shell's unset variable would name this folder."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Raises UsageError for an empty text."""
        if value == "":
            where = param.opts[0] if param.param_type_name == "option" else param.name.upper()
            raise UsageError("is empty", where=where, next="give a path, or leave it out")
        return super().convert(value, param, ctx)


def function(verb: str) -> Callable[..., int]:
    """The function that carries a verb out; a verb that is a name of Python has a `_` after it."""
    module = import_module(f"zoo_core.cli.{verb}")
    found: Any = getattr(module, verb, None) or getattr(module, f"{verb}_")
    compose = getattr(found, "command", None)  # see `options.RequestVerb`
    function: Callable[..., int] = compose() if compose else found
    return function
