"""How long stages took on this machine, so that the next plan can say how long they will."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import Stage

_KEPT = 2000


class Durations:
    """A file of one JSON line per stage that has run."""

    def __init__(self, path: Path) -> None:
        """`path` need not exist."""
        self._path = path

    def add(self, stage: Stage, key: str, seconds: float) -> None:
        """Note a finished stage; one short write, so that processes do not mix lines."""
        row = {"run": stage.run, "cost": stage.cost, "seconds": round(seconds, 3), "key": key}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")

    def seconds(self, stage: Stage) -> float | None:
        """Expected seconds: the median of earlier seconds per cost; None where never seen."""
        rates = [row["seconds"] / row["cost"] for row in self._rows() if row["run"] == stage.run]
        return statistics.median(rates[-9:]) * stage.cost if rates else None

    def _rows(self) -> list[dict[str, Any]]:
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()[-_KEPT:]
        except FileNotFoundError:
            return []
        return [row for row in map(_row, lines) if row]


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) and _whole(row) else None


def _whole(row: dict[str, Any]) -> bool:
    numbers = (row.get("cost"), row.get("seconds"))
    return "run" in row and all(isinstance(n, int | float) for n in numbers) and bool(row["cost"])
