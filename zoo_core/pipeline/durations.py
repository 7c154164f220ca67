"""Durations of finished stages on this machine, from which a plan estimates its time."""

from __future__ import annotations

import statistics
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zoo_core.system.files import add_json_line, read_json_lines

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import Stage

_MAX_ROWS = 2000
_MANY = 1e12
_ALIKE = 3.0
"""Other models' rates that differ by more than this factor say nothing about a new model."""


class Durations:
    """A file with a line of JSON for each stage that has run."""

    def __init__(self, path: Path) -> None:
        """`path` need not exist."""
        self._path = path

    def add(self, stage: Stage, key: str, seconds: float) -> None:
        """Record a finished stage; estimates do without it where that is not possible."""
        row = {"run": stage.run, "cost": stage.cost, "seconds": round(seconds, 3), "key": key}
        with suppress(OSError):
            add_json_line(self._path, {**row, "subject": stage.subject})

    def seconds(self, stage: Stage) -> float | None:
        """Expected seconds: the median of seconds per cost in earlier runs; None if not known.

        Runs on the same subject count; without any, those of the same model and size; without any,
        those of other models, if several took about the same.
        """
        rows = [row for row in self._rows() if row["run"] == stage.run]
        for words in (3, 2):
            same = [row for row in rows if _subject(row, words) == stage.subject.split()[:words]]
            if same:
                return statistics.median(_rates(same)) * stage.cost
        rates = _rates(rows)
        several = len({tuple(_subject(row, 2)) for row in rows}) > 1
        if several and max(rates) <= _ALIKE * min(rates):
            return statistics.median(rates) * stage.cost
        return None

    def _rows(self) -> list[dict[str, Any]]:
        return [row for row in read_json_lines(self._path)[-_MAX_ROWS:] if _is_complete(row)]


def _subject(row: dict[str, Any], words: int) -> list[str]:
    return str(row.get("subject", "")).split()[:words]


def _rates(rows: list[dict[str, Any]]) -> list[float]:
    """Seconds per cost of the last rows."""
    return [row["seconds"] / row["cost"] for row in rows[-9:]]


def _is_complete(row: dict[str, Any]) -> bool:
    cost, seconds = row.get("cost"), row.get("seconds")
    if not isinstance(cost, int | float) or not isinstance(seconds, int | float):
        return False
    return "run" in row and 0 < cost < _MANY and 0 <= seconds < _MANY
