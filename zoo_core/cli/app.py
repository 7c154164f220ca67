"""The typer application: what stands before its verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.cli.verbs import SETTINGS, Verbs

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        from importlib.metadata import version

        typer.echo(f"zoo {version('zoo-core')}")
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
