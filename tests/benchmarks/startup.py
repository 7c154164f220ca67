"""How long the listing verbs take, against the smallest program of the same kind."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from .rows import within
from .timing import interleaved
from .workshop import ZOO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .rows import Row
    from .workshop import Workshop

_ROUNDS = 15
_LIMITS = {"--help": 1.2, "backends": 1.8, "models": 1.8}
_ONE_COMMAND = """\
import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def hello(name: str = "cache") -> None:
    \"\"\"Greet.\"\"\"
    typer.echo(f"hello {name}")


app()
"""


def rows(workshop: Workshop) -> Iterator[Row]:
    """Three verbs against a one-command typer app without rich help."""
    program = workshop.folder / "one_command.py"
    program.write_text(_ONE_COMMAND, encoding="utf-8")
    quiet = partial(_quiet, workshop.folder / "listing")
    verbs = {verb: partial(quiet, [*ZOO, verb]) for verb in _LIMITS}
    one = partial(quiet, [sys.executable, str(program), "--help"])
    times = interleaved({"one": one, **verbs}, _ROUNDS)
    for verb, most in _LIMITS.items():
        ratio = times.ratio(verb, "one")
        row = within("startup", f"zoo {verb}, against a one-command app", ratio.value, most, "x")
        told = f"{ratio}, {times.median(verb) * 1e3:.0f} against {times.median('one') * 1e3:.0f} ms"
        yield replace(row, goal=f"<= {most:g}x", result=told, figures=ratio.to_data())


def _quiet(home: Path, command: list[str]) -> None:
    """Without a timeout, for which `subprocess` would look only every 50 ms."""
    environment = {**os.environ, "ZOO_HOME": str(home)}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
