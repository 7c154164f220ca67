"""Where the time of a run goes, operator by operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo_core.system.record import Parts, Record
from zoo_core.system.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator(Record):
    """One operator of the network, or one type of them, over all runs."""

    name: str
    type: str
    calls: int
    total_ms: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTable(Record):
    """Operators and their types, the costliest first; times are of all `runs` together.

    `trace` is the file that holds every event; `whole_ms` is None where it is not known.
    """

    parts: ClassVar[Parts] = {"types": Operator, "operators": Operator}

    trace: str
    runs: int
    operators_ms: float
    whole_ms: float | None
    types: tuple[Operator, ...]
    operators: tuple[Operator, ...]

    @classmethod
    def of(
        cls,
        durations: Iterable[tuple[str, str, float]],
        runs: int,
        whole_us: float | None = None,
        trace: str = "",
    ) -> OperatorTable:
        """The table of (name, type, microseconds) of each operator's run."""
        rows = list(durations)
        return cls(
            trace=trace,
            runs=runs,
            operators_ms=round(sum(time for *_, time in rows) / 1e3, 4),
            whole_ms=None if whole_us is None else round(whole_us / 1e3, 4),
            types=_grouped((type, type, time) for _, type, time in rows),
            operators=_grouped(rows),
        )

    def lines(self, most: int = 15) -> list[str]:
        """The types, and the costliest operators, for a terminal."""
        whole = f" of {self.whole_ms / self.runs:.3f}" if self.whole_ms else ""
        head = f"operators: {self.operators_ms / self.runs:.3f}{whole} ms a run, {self.runs} runs"
        rows = [
            (row.name, row.type, f"{row.total_ms:.3f}", f"{row.share:.1%}", str(row.calls))
            for row in self.operators[:most]
        ]
        count = len(self.operators) - most
        left = [f"  and {count} more in bench.json"] if count > 0 else []
        types = ", ".join(f"{row.type} {row.share:.1%}" for row in self.types[:8])
        table = columns(("operator", "type", "total ms", "share", "calls"), rows)
        return [f"{head}, the engine's profiler on", f"  {types}", *table, *left]


def _grouped(rows: Iterable[tuple[str, str, float]]) -> tuple[Operator, ...]:
    times: dict[tuple[str, str], list[float]] = {}
    for name, type, time in rows:
        times.setdefault((name, type), []).append(time)
    whole = sum(map(sum, times.values())) or 1.0
    operators = [
        Operator(
            name=name,
            type=type,
            calls=len(each),
            total_ms=round(sum(each) / 1e3, 4),
            share=round(sum(each) / whole, 5),
        )
        for (name, type), each in times.items()
    ]
    return tuple(sorted(operators, key=lambda row: (-row.total_ms, row.name)))
