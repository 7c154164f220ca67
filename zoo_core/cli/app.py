"""The typer application. The module of a verb is imported only when that verb runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import TyperPath

from zoo_core import __version__
from zoo_core.cli.output import echo
from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SETTINGS = {"help_option_names": ["-h", "--help"]}

VERBS = {
    "run": "Export, compile, evaluate and benchmark a model; compare it with published results.",
    "plan": "Show the stages of a run: which are cached, which will run, and what changed.",
    "fetch": "Download a model's weights and data into the cache, or import a weights file.",
    "export": "Export a model to a graph file, verified against its source.",
    "compile": "Compile a model for a backend, and copy the artefact to the output folder.",
    "predict": "Run a model on images; write prediction files and annotated pictures.",
    "eval": "Like run, without the benchmark.",
    "bench": "Measure latency and throughput of a compiled model.",
    "compare": "Compare runs: differences of the last from the first, with intervals.",
    "rescore": "Score a finished run by another protocol, from its stored candidates.",
    "explain": "Explain a run's accuracy: what each difference from another protocol makes of it.",
    "tune": "Search for options that win back what int8 loses; later runs use them.",
    "replay": "Rebuild a run from its manifest; say what is equal, and what is not and why.",
    "package": "Write a folder that runs the network of a run without zoo, with a check.",
    "models": "List the models: what runs here, then the rest with the one thing that is missing.",
    "backends": "List all backends, and why some are not available here.",
    "plugins": "List plugins and what they provide; or test, enable or disable them.",
    "new": "Create a model card, or a working plugin to start from.",
    "datasets": "List the data sets.",
    "protocols": "List the scoring protocols and their values.",
    "show": "Show a model's card, merged with its family.",
    "check": "Check the registry and the plugins; exit 2 on errors.",
    "doctor": "Check the software, hardware, folders and network that runs need.",
    "runs": "List earlier runs and benchmarks on this machine.",
    "gc": "Remove unused results, remains of failed stages and unused cache files.",
}
"""Verb -> first line of its help; the rest is in the module of the same name."""


class Verbs(TyperGroup):
    """The group of all verbs; showing its help imports none of their modules."""

    def __init__(self, **settings: Any) -> None:
        """`settings` are those of a typer group; the commands come from `VERBS`."""
        commands = {name: TyperCommand(name, help=summary) for name, summary in VERBS.items()}
        super().__init__(**{**settings, "commands": commands})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb's name, its command, and the remaining arguments."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and command(name), rest


app = typer.Typer(
    name="zoo",
    cls=Verbs,
    help="Export, compile, run, evaluate, benchmark and compare models on any backend.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings=SETTINGS,
)


def _version(show: bool) -> None:
    if show:
        echo(f"zoo {__version__}")
        raise typer.Exit


@app.callback()
def zoo(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Export, compile, run, evaluate, benchmark and compare models on any backend."""


def run_app(arguments: Sequence[str]) -> int:
    """Parse the arguments and run the verb; exceptions go to the boundary."""
    result = typer.main.get_command(app).main(
        args=list(arguments), prog_name="zoo", standalone_mode=False
    )
    return result if isinstance(result, int) else 0


def command(verb: str) -> Any:
    """The command of a verb."""
    single = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=SETTINGS)
    single.command(verb)(function(verb))
    result = typer.main.get_command(single)
    for parameter in result.params:
        if type(parameter.type) is TyperPath:
            parameter.type = _NonEmptyPath(readable=False)  # whoever reads it says so, with 6
    return result


class _NonEmptyPath(TyperPath):
    """A path option that rejects the empty string.

    An unset shell variable would otherwise mean the current folder.
    """

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Raises UsageError for an empty string."""
        if value == "":
            where = param.opts[0] if param.param_type_name == "option" else param.name.upper()
            raise UsageError("is empty", where=where, next="give a path, or omit it")
        return super().convert(value, param, ctx)


def function(verb: str) -> Callable[..., int]:
    """The function of a verb; it has a trailing `_` where the verb is a Python built-in."""
    module = import_module(f"zoo_core.cli.{verb}")
    member: Any = getattr(module, verb, None) or getattr(module, f"{verb}_")
    compose = getattr(member, "command", None)  # see `options.RequestVerb`
    function: Callable[..., int] = compose() if compose else member
    return function
