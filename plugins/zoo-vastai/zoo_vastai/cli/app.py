"""The typer application `zoo-vastai`, and its boundary: exit codes and errors are those of zoo."""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.cli import run_program
from zoo_core.cli.boundary import guarded
from zoo_core.errors import install_step
from zoo_vastai import extensions
from zoo_vastai.cli.npz import npz, txt
from zoo_vastai.cli.vamp import vamp
from zoo_vastai.extensions import EMULATOR_DISTRIBUTION, LINT_DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HELP = "Tools for VastAI cards: check files, read vamp output, write npz files, emulate the SDK."
_ELSEWHERE = MappingProxyType({"lint": LINT_DISTRIBUTION, "emulate": EMULATOR_DISTRIBUTION})
"""Commands that other distributions bring."""

_SETTINGS = MappingProxyType({"emulate": {"allow_interspersed_args": False}})
_ANY = MappingProxyType({"ignore_unknown_options": True, "allow_extra_args": True})


def application() -> typer.Typer:
    """The application with every command; one whose distribution is missing says which."""
    app = typer.Typer(
        name="zoo-vastai",
        help=_HELP,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=_HELP)(_begin)
    commands: dict[str, Callable[..., int]] = {"vamp": vamp, "npz": npz, "txt": txt}
    commands |= extensions.commands()
    for name, command in commands.items():
        app.command(name, context_settings=dict(_SETTINGS.get(name, {})))(command)
    for name, distribution in _ELSEWHERE.items():
        if name not in commands:
            summary = f"Not installed: {install_step(distribution)}."
            missing = _missing(name, distribution)
            app.command(name, help=summary, context_settings=dict(_ANY))(missing)
    return app


def _missing(name: str, distribution: str) -> Callable[[], int]:
    def command() -> int:
        raise extensions.not_installed(f"`zoo-vastai {name}`", distribution)

    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]

    def run() -> int:
        command = typer.main.get_command(application())
        result = command.main(args=list(arguments), prog_name="zoo-vastai", standalone_mode=False)
        return result if isinstance(result, int) else 0

    return guarded(run, arguments, only_documents=False)


def script() -> None:
    """The entry point of the `zoo-vastai` program."""
    run_program(main)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"zoo-vastai {version('zoo-vastai')}")
        raise typer.Exit


def _begin(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of the program itself."""
