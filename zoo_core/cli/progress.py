"""Talk on stderr while a plan runs: a live line on a terminal, one line per stage elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from zoo_core.commands.progress import ProgressReporter

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from zoo_core.api import Stage
    from zoo_core.pipeline.executor import Listener, StageResult


def say(text: str, quiet: bool = False) -> None:
    """One line on stderr."""
    if not quiet:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def listener(quiet: bool, verbose: bool) -> Talk:
    """What fits the place: silent, live or plain."""
    if quiet:
        return Talk()
    return LiveTalk() if sys.stderr.isatty() else PlainTalk(verbose)


def telling(quiet: bool, verbose: bool) -> ProgressReporter:
    """For verbs that measure: no display is drawn then, only lines are said."""
    return ProgressReporter(lambda: listener(quiet, verbose), lambda text: say(f"  {text}", quiet))


class Talk:
    """Says nothing; a context manager, so that a live display ends with the run."""

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
        """Nothing to say."""

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """Nothing to say."""

    def stalled(self, stage: Stage, seconds: float, log: Path) -> None:
        """Said even where all else is silent."""
        say(f"  {stage.name}: no progress for {seconds:.0f} s; where its threads are: {log}")

    def finished(self, result: StageResult) -> None:
        """Nothing to say."""


class PlainTalk(Talk):
    """A line per finished stage, and one every ten seconds of a long one."""

    def __init__(self, verbose: bool) -> None:
        """`verbose` also names the stages that were found in the store."""
        self._verbose = verbose
        self._last = time.monotonic()

    def started(self, stage: Stage, expected: float | None) -> None:
        """Remember the time."""
        self._last = time.monotonic()

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """A sign of life."""
        now = time.monotonic()
        if now - self._last > 10:
            self._last = now
            say(f"  {stage.name}: {done:.0f}/{total:.0f} {note}")

    def finished(self, result: StageResult) -> None:
        """The stage's line."""
        if not result.cached:
            say(f"  {result.stage.name}: {result.seconds:.1f} s")
        elif self._verbose:
            say(f"  {result.stage.name}: in the store ({result.entry.key[:12]})")


class LiveTalk(Talk):
    """Rich's progress bars with the remaining time."""

    def __enter__(self) -> Listener:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress: Progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def started(self, stage: Stage, expected: float | None) -> None:
        """A new bar; without a known total it pulses."""
        note = f"about {expected:.0f} s" if expected else ""
        self._tasks[stage.name] = self._progress.add_task(stage.name, total=None, note=note)

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """Move the bar."""
        task = self._tasks[stage.name]
        text = f"{done:.0f}/{total:.0f} {note}"
        self._progress.update(task, completed=done, total=total, note=text)

    def finished(self, result: StageResult) -> None:
        """Fill the bar."""
        task = self._tasks.get(result.stage.name)
        if task is not None:
            self._progress.update(task, total=1, completed=1, note="")
