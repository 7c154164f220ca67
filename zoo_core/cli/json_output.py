"""Results as JSON, to stdout or to a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.cli.output import echo, say, was_said, write_json_text
from zoo_core.errors import DataError, UsageError
from zoo_core.system.files import remove_leftovers, write_text
from zoo_core.system.terminal import masked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TO_FILE = frozenset(
    (
        *("run", "eval", "bench", "plan", "predict", "compare", "rescore", "tune"),
        *("replay", "package"),
    )
)
_WARNING = "warning: "
_JSON = "--json"
_OR_STDOUT = ", or - for stdout"


def json_target(arguments: Sequence[str]) -> str | None:
    """The value of `--json`: a file, "-" for stdout, None if the option is absent."""
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


def check_target(target: str | None, option: str = _JSON) -> None:
    """Raises, before any work, if the file that the option names certainly cannot be written."""
    if target in (None, "-"):
        return
    if not target:
        raise UsageError(f"{option} needs a file{_OR_STDOUT if option == _JSON else ''}")
    path = Path(target).absolute()
    if path.is_dir():
        raise DataError("is a folder", where=target, next=_next(option))
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    if place != path and not place.is_dir():
        raise DataError("is a file, not a folder", where=str(place), next=_next(option))
    if not os.access(place, os.W_OK):
        what = "cannot be written: Permission denied"
        raise DataError(what, where=target, next=_next(option))


def _next(option: str) -> str:
    return f"name another file with {option}{_OR_STDOUT if option == _JSON else ''}"


def write_document(target: str, document: Mapping[str, Any]) -> None:
    """Write the document to stdout ("-"), or atomically to a file in a folder made as needed.

    Raises DataError if it cannot be written.
    """
    text = json.dumps(document, indent=1) + "\n"
    if target == "-":
        write_json_text(text)
        return
    write_file(target, text)


def write_file(target: str, text: str, option: str = _JSON) -> None:
    """Write the text atomically to a file in a folder made as needed, credentials masked.

    Raises DataError if it cannot be written; `option` is what named it.
    """
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        write_text(path, masked(text))
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise DataError(what, where=target, next=_next(option)) from error


def print_report(
    report: dict[str, Any], json_to: str | None, lines: list[str], quiet: bool = False
) -> None:
    """Write the report as JSON if requested, and print its lines."""
    if json_to:
        write_document(json_to, report)
    print_lines(json_to, lines, quiet)


def print_lines(json_to: str | None, lines: list[str], quiet: bool) -> None:
    """Print lines to stdout, or to stderr if JSON goes to stdout; warnings once to a terminal."""
    for line in lines:
        if json_to == "-":
            say(line, quiet)
        elif not (line.startswith(_WARNING) and was_said(line)):
            echo(line)


def print_json(document: Any) -> int:
    """Write a document to stdout; returns exit code 0."""
    write_json_text(json.dumps(document, indent=1) + "\n")
    return 0
