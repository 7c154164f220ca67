"""The typer application `zoo-vastai`, and its boundary: exit codes and errors are those of zoo."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.cli.boundary import guarded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERBS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"lint": ("lint",), "vamp": ("vamp",), "npz": ("npz", "txt"), "emulate": ("emulate",)}
)
"""Module of this package -> the verbs that it offers."""

_HELP = "What is the vendor's alone: check files, read vamp, make npz, run the emulated tools."
_SETTINGS = MappingProxyType({"emulate": {"allow_interspersed_args": False}})


def application() -> typer.Typer:
    """The application with every verb; one whose module is not there is left out."""
    app = typer.Typer(
        name="zoo-vastai",
        help=_HELP,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=_HELP)(_begin)
    for module, verbs in VERBS.items():
        if find_spec(f"{__package__}.{module}") is None:
            continue
        commands = import_module(f"{__package__}.{module}")
        for verb in verbs:
            if hasattr(commands, verb):
                command = app.command(verb, context_settings=dict(_SETTINGS.get(verb, {})))
                command(getattr(commands, verb))
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]

    def run() -> int:
        command = typer.main.get_command(application())
        result = command.main(args=list(arguments), prog_name="zoo-vastai", standalone_mode=False)
        return result if isinstance(result, int) else 0

    return guarded(run, arguments)


def script() -> None:
    """The entry point of the `zoo-vastai` program."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be no text
    sys.exit(main())


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"zoo-vastai {version('zoo-vastai')}")
        raise typer.Exit


def _begin(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What stands before the verbs."""
