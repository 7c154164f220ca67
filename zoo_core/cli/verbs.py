"""The verbs of the program; the module of each is imported only when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import TyperPath

from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = {"help_option_names": ["-h", "--help"]}

VERBS = {
    "run": (
        "make:run",
        "Export, calibrate, compile, run over a data set, score, time and compare a model.",
    ),
    "plan": (
        "make:plan",
        "Show the stages of a run: which are in the store, which will run, and what changed.",
    ),
    "fetch": (
        "make:fetch",
        "Download a model's weights and data into the cache, or take weights from a file.",
    ),
    "export": ("make:export", "Export a model to a graph file, checked against its source."),
    "compile": (
        "make:compile_",
        "Compile a model for a backend; the artefact goes to the output folder.",
    ),
    "predict": (
        "make:predict",
        "What a model sees in images: files of the task's own formats and annotated pictures.",
    ),
    "eval": ("make:evaluate", "Like run, without measuring speed."),
    "bench": ("bench:bench", "Measure latency and throughput of the compiled model."),
    "models": ("look:models", "List the models of the registry."),
    "backends": (
        "look:backends",
        "List every registered backend, and what keeps those that cannot run here.",
    ),
    "plugins": (
        "author:plugins",
        "List plugins, what they provide and why some do not; or test, enable, disable them.",
    ),
    "new": (
        "author:new",
        "Write a new model's card, or a whole new plugin: one that works, to be changed.",
    ),
    "datasets": ("look:datasets", "List the data sets."),
    "protocols": ("look:protocols", "List the scoring protocols and their values."),
    "show": ("look:show", "Show a model's card, its family merged in."),
    "check": (
        "look:check",
        "Check the registry and the plugins; exits 2 where something is wrong.",
    ),
    "doctor": (
        "look:doctor",
        "Look at everything a run needs on this machine, and say what is missing.",
    ),
    "runs": ("look:runs", "List earlier runs on this machine."),
    "gc": (
        "keep:gc",
        "Remove results that no run needs any more, and remains of failed stages.",
    ),
}
"""Name -> "module:function" in this package, and the first line of its docstring."""


class Verbs(TyperGroup):
    """The group of all verbs: its help imports none of them."""

    def __init__(self, **settings: Any) -> None:
        """Takes what typer gives a group; its commands are the table's."""
        named = {name: TyperCommand(name, help=summary) for name, (_, summary) in VERBS.items()}
        super().__init__(**{**settings, "commands": named})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb's name, its command made from its function, and the arguments after it."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and command(name), rest


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
    """The function that carries a verb out."""
    module, _, name = VERBS[verb][0].partition(":")
    found: Callable[..., int] = getattr(import_module(f"zoo_core.cli.{module}"), name)
    return found
