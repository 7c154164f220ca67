"""Progress reporting for long-running commands."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from zoo_core.api import Stage
    from zoo_core.pipeline.executor import Listener, StageResult

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True, slots=True)
class ProgressReporter:
    """What a command reports: `stages` while stages run, else messages of one line.

    `stages` opens a listener. It is closed before anything is timed, so that no display disturbs
    the measurement.
    """

    stages: Callable[[], AbstractContextManager[Listener]]
    message: Callable[[str], None]

    def detail(self, text: str) -> None:
        """A message below the last one."""
        self.message(f"  {text}")


def silent() -> ProgressReporter:
    """Reports nothing."""
    return ProgressReporter(SilentListener, lambda _text: None)


def line_by_line(message: Callable[[str], None]) -> ProgressReporter:
    """Passes every line to `message`."""
    return ProgressReporter(lambda: LineListener(message), message)


class SilentListener:
    """Reports nothing of what runs; see `zoo_core.pipeline.executor.Listener`."""

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def started(self, stage: Stage, expected: float | None) -> None:
        """Reports nothing."""

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """Reports nothing."""

    def stalled(self, stage: Stage, seconds: float, log: Path) -> None:
        """Reports nothing."""

    def finished(self, result: StageResult) -> None:
        """Reports nothing."""


class LineListener(SilentListener):
    """A line per finished stage, and one every ten seconds while a stage runs."""

    def __init__(self, message: Callable[[str], None], verbose: bool = False) -> None:
        """`verbose` also names the stages that are in the store."""
        self._message, self._verbose = message, verbose
        self._last = time.monotonic()

    def started(self, stage: Stage, expected: float | None) -> None:
        """Remembers the time."""
        self._last = time.monotonic()

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """A line, if the last one is ten seconds old."""
        now = time.monotonic()
        if now - self._last > _SECONDS_BETWEEN_LINES:
            self._last = now
            self._message(f"  {stage.name}: {done:.0f}/{total:.0f} {note}")

    def stalled(self, stage: Stage, seconds: float, log: Path) -> None:
        """A line that names the log."""
        self._message(stalled_line(stage, seconds, log))

    def finished(self, result: StageResult) -> None:
        """The stage's line."""
        if not result.cached:
            self._message(f"  {result.stage.name}: {result.seconds:.1f} s")
        elif self._verbose:
            self._message(f"  {result.stage.name}: in the store ({result.entry.key[:12]})")


def stalled_line(stage: Stage, seconds: float, log: Path) -> str:
    """What to say of a stage that reports nothing."""
    return f"  {stage.name}: no progress for {seconds:.0f} s; stacks of all threads: {log}"
