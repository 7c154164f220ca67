"""The rows of the table, and what they look like."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .timing import Ratio

MET, MISSED, ABSENT, FAILED = "met", "missed", "n/a", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One goal: the result beside it, whether it was met, and all that was measured for it.

    A `verdict` of n/a comes with its reason as the result.
    """

    group: str
    what: str
    goal: str
    result: str
    verdict: str
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "group": self.group,
            "what": self.what,
            "goal": self.goal,
            "result": self.result,
            "verdict": self.verdict,
            "figures": dict(self.figures),
        }


def faster(group: str, what: str, ratio: Ratio, least: float) -> Row:
    """A row whose ratio of times is to be `least` or more."""
    return Row(
        group=group,
        what=what,
        goal=f">= {least:g}x",
        result=str(ratio),
        verdict=_verdict(ratio.value >= least),
        figures=ratio.to_data(),
    )


def within(group: str, what: str, value: float, most: float, unit: str) -> Row:
    """A row whose value is to be `most` or less."""
    return Row(
        group=group,
        what=what,
        goal=f"<= {most:g} {unit}".rstrip(),
        result=f"{value:.3g} {unit}".rstrip(),
        verdict=_verdict(value <= most),
        figures={"value": value, "unit": unit},
    )


def reached(group: str, what: str, value: float, least: float, unit: str) -> Row:
    """A row whose value is to be `least` or more."""
    return Row(
        group=group,
        what=what,
        goal=f">= {least:g} {unit}".rstrip(),
        result=f"{value:.4g} {unit}".rstrip(),
        verdict=_verdict(value >= least),
        figures={"value": value, "unit": unit},
    )


def absent(group: str, what: str, goal: str, reason: str) -> Row:
    """A row that cannot be measured here."""
    return Row(group=group, what=what, goal=goal, result=reason, verdict=ABSENT)


def failed(group: str, reason: str) -> Row:
    """In place of rows whose measurement broke off."""
    return Row(group=group, what=group, goal="measured", result=reason, verdict=FAILED)


def table(rows: Sequence[Row]) -> list[str]:
    """The rows in aligned columns under a line of headings."""
    cells = [("what", "goal", "result", "")]
    cells += [(row.what, row.goal, row.result, row.verdict) for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(4)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def _verdict(met: bool) -> str:
    return MET if met else MISSED
