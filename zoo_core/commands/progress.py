"""Progress reporting for long-running commands."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zoo_core.api import Stage
    from zoo_core.pipeline.executor import Listener, StageResult

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True, slots=True)
class ProgressReporter:
    """Reports the progress of a command: stages while they run, else one-line messages.

    `stages` opens a listener. It is closed before a benchmark, so that no display disturbs the
    measurement.
    """

    stages: Callable[[], AbstractContextManager[Listener]]
    message: Callable[[str], None]

    def detail(self, text: str) -> None:
        """A message below the last one."""
        self.message(f"  {text}")


def silent() -> ProgressReporter:
    """A reporter that reports nothing."""
    return ProgressReporter(SilentListener, lambda _text: None)


def line_by_line(message: Callable[[str], None]) -> ProgressReporter:
    """A reporter that passes every line to `message`."""
    return ProgressReporter(lambda: LineListener(message), message)


class SilentListener:
    """Ignores all events; see `zoo_core.pipeline.executor.Listener`."""

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def started(self, stage: Stage, expected: float | None) -> None:
        """Ignored."""

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """Ignored."""

    def stalled(self, stage: Stage, seconds: float, log: Path) -> None:
        """Ignored."""

    def noticed(self, stage: Stage, text: str) -> None:
        """Ignored."""

    def finished(self, result: StageResult) -> None:
        """Ignored."""


class LineListener(SilentListener):
    """A line per finished stage, and one every ten seconds while a stage runs."""

    def __init__(self, message: Callable[[str], None], verbose: bool = False) -> None:
        """`verbose` also reports cached stages."""
        self._message, self._verbose = message, verbose
        self._last = time.monotonic()

    def started(self, stage: Stage, expected: float | None) -> None:
        """Restart the ten seconds."""
        self._last = time.monotonic()

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """Report a line if the last one is ten seconds old."""
        now = time.monotonic()
        if now - self._last > _SECONDS_BETWEEN_LINES:
            self._last = now
            self._message(f"  {stage.name}: {done:.0f}/{total:.0f} {note}")

    def stalled(self, stage: Stage, seconds: float, log: Path) -> None:
        """Report a line that names the log."""
        self._message(stalled_line(stage, seconds, log))

    def noticed(self, stage: Stage, text: str) -> None:
        """Report it."""
        self._message(f"  {stage.name}: {text}")

    def finished(self, result: StageResult) -> None:
        """Report the stage's line."""
        if not result.cached:
            self._message(f"  {result.stage.name}: {result.seconds:.1f} s")
        elif self._verbose:
            self._message(f"  {result.stage.name}: cached ({result.entry.key[:12]})")


def stalled_line(stage: Stage, seconds: float, log: Path) -> str:
    """The message for a stage that has reported nothing for `seconds`."""
    return f"  {stage.name}: no progress for {seconds:.0f} s; stacks of all threads: {log}"
