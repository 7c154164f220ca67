"""A pool of open sessions, one per artefact and target, for the time a plan runs."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING

from zoo_core.system.hashing import digest

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import Runtime, Session, Target


class SessionPool:
    """A context manager that opens each artefact once and closes all sessions on exit."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: dict[str, Session] = {}
        self._lock = Lock()

    def __enter__(self) -> SessionPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.clear()
        self._stack.close()

    def session(self, runtime: Runtime, artefact: Path, target: Target) -> Session:
        """The open session of this artefact (a folder) for this target, opened for throughput."""
        key = digest([str(artefact), target.to_data()])
        with self._lock:
            if key not in self._open:
                self._open[key] = self._stack.enter_context(
                    runtime.open(artefact, target, "throughput")
                )
            return self._open[key]
