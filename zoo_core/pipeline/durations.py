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


class Durations:
    """A file with a line of JSON for each stage that has run."""

    def __init__(self, path: Path) -> None:
        """`path` need not exist."""
        self._path = path

    def add(self, stage: Stage, key: str, seconds: float) -> None:
        """Record a finished stage; estimates do without it where that is not possible."""
        row = {"run": stage.run, "cost": stage.cost, "seconds": round(seconds, 3), "key": key}
        with suppress(OSError):
            add_json_line(self._path, row)

    def seconds(self, stage: Stage) -> float | None:
        """Expected seconds: the median of seconds per cost in earlier runs; None if never run."""
        rates = [row["seconds"] / row["cost"] for row in self._rows() if row["run"] == stage.run]
        return statistics.median(rates[-9:]) * stage.cost if rates else None

    def _rows(self) -> list[dict[str, Any]]:
        return [row for row in read_json_lines(self._path)[-_MAX_ROWS:] if _is_complete(row)]


def _is_complete(row: dict[str, Any]) -> bool:
    cost, seconds = row.get("cost"), row.get("seconds")
    if not isinstance(cost, int | float) or not isinstance(seconds, int | float):
        return False
    return "run" in row and 0 < cost < _MANY and 0 <= seconds < _MANY
