"""Gates as annotations of GitHub Actions.

A line `::error title=TITLE::MESSAGE`, on stdout or stderr of a step, becomes an annotation of the
workflow run. In a message %, CR and LF are written as %25, %0D and %0A, in a property also : and ,
as %3A and %2C (https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions;
the reverse is in ActionCommand.cs of github.com/actions/runner).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.reporting.gates.rows import PASSED
from zoo_core.system.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.reporting.gates.rows import GateRow

_DATA = {ord("%"): "%25", ord("\r"): "%0D", ord("\n"): "%0A"}
_PROPERTY = {**_DATA, ord(":"): "%3A", ord(","): "%2C"}


def gate_annotations(rows: Iterable[GateRow], strict: bool) -> list[str]:
    """A line for each gate: an error where it fails, a warning where it is not decided."""
    lines = []
    for row in rows:
        level = "error" if row.fails(strict) else "notice" if row.verdict == PASSED else "warning"
        lines.append(annotation(level, f"gate {row.verdict}: {row.gate}", row.warning()))
    return lines


def annotation(level: str, title: str, message: str) -> str:
    """One line; `level` is error, warning or notice."""
    head = shown(title).translate(_PROPERTY)
    return f"::{level} title={head}::{shown(message).translate(_DATA)}"
