"""Where the time of a run goes: a table of operators, and a file for Chrome's trace viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.system.tables import columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_core.api.trace import Event, Trace


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the network over all runs."""

    name: str
    kind: str
    calls: int
    total_ms: float
    share: float

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.name,
            "type": self.kind,
            "calls": self.calls,
            "total_ms": round(self.total_ms, 4),
            "share": round(self.share, 5),
        }


def operators(trace: Trace) -> list[Operator]:
    """One row for each operator, the costliest first; shares are of all operators' time."""
    return _grouped(trace, lambda event: (event.name, event.kind))


def kinds(trace: Trace) -> list[Operator]:
    """The same by operator type; the name is the type."""
    return _grouped(trace, lambda event: (event.kind, event.kind))


def chrome(trace: Trace) -> dict[str, Any]:
    """The trace in the format that chrome://tracing and Perfetto read."""
    rows = [
        {
            "name": event.name,
            "cat": event.kind,
            "ph": "X",
            "ts": event.start_us,
            "dur": event.duration_us,
            "pid": 1,
            "tid": event.thread,
            "args": {"type": event.kind, **event.facts},
        }
        for event in trace.events
    ]
    return {"traceEvents": rows, "displayTimeUnit": "ms"}


def to_data(trace: Trace) -> dict[str, Any]:
    """The JSON form of the tables; times are of all runs together."""
    rows = operators(trace)
    return {
        "runs": trace.runs,
        "operators_ms": round(sum(row.total_ms for row in rows), 4),
        "whole_ms": None if trace.whole_us is None else round(trace.whole_us / 1e3, 4),
        "types": [row.to_data() for row in kinds(trace)],
        "operators": [row.to_data() for row in rows],
    }


def lines(trace: Trace, most: int = 15) -> list[str]:
    """The types, and the costliest operators, for a terminal."""
    rows = operators(trace)
    total = sum(row.total_ms for row in rows) / trace.runs
    whole = f" of {trace.whole_us / trace.runs / 1e3:.3f}" if trace.whole_us else ""
    head = f"operators: {total:.3f}{whole} ms a run, {trace.runs} runs, the engine's profiler on"
    shown = [_cells(row) for row in rows[:most]]
    left = f"  and {len(rows) - most} more in bench.json" if len(rows) > most else ""
    types = ", ".join(f"{row.kind} {row.share:.1%}" for row in kinds(trace)[:8])
    table = columns(("operator", "type", "total ms", "share", "calls"), shown)
    return [head, f"  {types}", *table, *([left] if left else [])]


def _cells(row: Operator) -> tuple[str, ...]:
    return row.name, row.kind, f"{row.total_ms:.3f}", f"{row.share:.1%}", str(row.calls)


def _grouped(trace: Trace, key: Callable[[Event], tuple[str, str]]) -> list[Operator]:
    sums: dict[tuple[str, str], list[float]] = {}
    for event in trace.events:
        row = sums.setdefault(key(event), [0.0, 0.0])
        row[0] += 1
        row[1] += event.duration_us
    total = sum(row[1] for row in sums.values()) or 1.0
    found = [
        Operator(name, kind, int(calls), time / 1e3, time / total)
        for (name, kind), (calls, time) in sums.items()
    ]
    return sorted(found, key=lambda row: (-row.total_ms, row.name))
