"""Results as JSON, to stdout or to a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from zoo_core.cli.progress import say
from zoo_core.errors import DataError, UsageError
from zoo_core.system.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TO_FILE = frozenset({"run", "eval", "bench", "plan", "predict"})
_NEXT = "name another file with --json, or - for stdout"


def json_target(arguments: Sequence[str]) -> str | None:
    """Where `--json` wants its output: a file, "-" for stdout, None where not asked for."""
    for at, argument in enumerate(arguments):
        if argument == "--":
            return None
        if argument.startswith("--json="):
            return argument.partition("=")[2]
        if argument == "--json":
            takes_file = arguments[0] in TO_FILE
            after = arguments[at + 1] if at + 1 < len(arguments) else "-"
            return after if takes_file else "-"
    return None


def check_target(target: str | None) -> None:
    """Raises before the work where the file can surely not be written."""
    if target in (None, "-"):
        return
    if not target:
        raise UsageError("--json needs a file, or - for stdout")
    path = Path(target).absolute()
    if path.is_dir():
        raise DataError("is a folder", where=target, next=_NEXT)
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    if place != path and not place.is_dir():
        raise DataError("is a file, not a folder", where=str(place), next=_NEXT)
    if not os.access(place, os.W_OK):
        raise DataError("cannot be written: Permission denied", where=target, next=_NEXT)


def give_json(target: str, document: Mapping[str, Any]) -> None:
    """Write the document; a file appears whole or not at all, its folder is made where needed.

    Raises DataError where it cannot be written.
    """
    text = json.dumps(document, indent=1) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", where=target, next=_NEXT) from error


def give(
    report: dict[str, Any], json_to: str | None, lines: list[str], quiet: bool = False
) -> None:
    """Data goes to stdout: the JSON if it goes there, else the lines."""
    if json_to:
        give_json(json_to, report)
    give_lines(json_to, lines, quiet)


def give_lines(json_to: str | None, lines: list[str], quiet: bool) -> None:
    """Lines go to stdout; where JSON goes there they are talk."""
    for line in lines:
        if json_to == "-":
            say(line, quiet)
        else:
            typer.echo(line)


def print_json(document: Any) -> int:
    """Write a document to stdout; returns exit code 0."""
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
    return 0
