"""What became of a gate: a row of a report, and the error of one that was missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.errors import AccuracyGateError, SpeedGateError
from zoo_core.system.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

PASSED, MISSED, UNDECIDED = "passed", "missed", "not decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow(Record):
    """A gate as it was written, and its verdict: passed, missed or not decided.

    `value` and its interval `low` to `high` are those of what is limited: the metric, its drop
    below `reference`, or a speed. `kind` is accuracy or speed.
    """

    gate: str
    kind: str = "accuracy"
    metric: str | None = None
    limit: float
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: str = ""
    verdict: str = UNDECIDED
    sentence: str = ""
    next: str = ""

    def line(self) -> str:
        """The verdict for a terminal."""
        return f"gate {self.verdict}: {self.sentence}"

    def warning(self) -> str:
        """What a report warns of where the gate is not decided."""
        return "; ".join(filter(None, (self.sentence, self.next)))

    def fails(self, strict: bool) -> bool:
        """Whether the command fails by this gate; `strict`: also where it is not decided."""
        return self.verdict == MISSED or (strict and self.verdict == UNDECIDED)


def failure(
    rows: Iterable[GateRow], strict: bool, where: str
) -> AccuracyGateError | SpeedGateError | None:
    """The error of the first gate that fails."""
    for row in rows:
        if row.fails(strict):
            kind = SpeedGateError if row.kind == "speed" else AccuracyGateError
            return kind(row.sentence, where=where, next=row.next)
    return None


def lines(rows: Iterable[GateRow]) -> list[str]:
    """The gates that are decided, for a terminal; the others are among the warnings."""
    return [row.line() for row in rows if row.verdict != UNDECIDED]


def open_warnings(rows: Iterable[GateRow]) -> tuple[str, ...]:
    """A warning for each gate that is not decided."""
    return tuple(row.warning() for row in rows if row.verdict == UNDECIDED)
