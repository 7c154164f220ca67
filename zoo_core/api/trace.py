"""Traces: how long each operator of a network takes. Runtimes may support them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from zoo_core.api.backend import Session, Target
    from zoo_core.api.graph import Arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One operator's run: its name, its type, and when, in microseconds."""

    name: str
    kind: str
    start_us: float
    duration_us: float
    thread: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Events of `runs` runs, and the whole time of these in microseconds; None where unknown."""

    events: tuple[Event, ...]
    runs: int
    whole_us: float | None = None

    def durations(self) -> Iterator[tuple[str, str, float]]:
        """Name, type and microseconds of each event."""
        return ((event.name, event.kind, event.duration_us) for event in self.events)

    def chrome(self) -> dict[str, Any]:
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
            for event in self.events
        ]
        return {"traceEvents": rows, "displayTimeUnit": "ms"}


@runtime_checkable
class Traceable(Protocol):
    """A runtime that can also measure the time of each operator."""

    def trace(
        self, artefact: Path, target: Target, feeds: Callable[[Session], Arrays], runs: int
    ) -> Trace:
        """Run the artefact under the engine's own profiler, after one warm-up run.

        The profiler has a cost of its own: use the times to compare operators, not as a benchmark.
        """
