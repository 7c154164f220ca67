"""Progress on stderr: a live display on a terminal, one line per stage elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo_core.cli.interrupt import check
from zoo_core.cli.output import say
from zoo_core.commands.progress import (
    LineListener,
    ProgressReporter,
    SilentListener,
    stalled_line,
)
from zoo_core.system.terminal import shown, stdout_to_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.progress import Progress, TaskID

    from zoo_core.api import Stage
    from zoo_core.pipeline.executor import Listener, StageResult

_NOTE = 30
"""Characters of a note beside a bar; a longer one would leave no place for the bar."""


def progress(quiet: bool, verbose: bool) -> ProgressReporter:
    """The reporter for this terminal: quiet, live, or line by line."""
    return ProgressReporter(lambda: _stages(quiet, verbose), lambda text: say(text, quiet))


@contextmanager
def _stages(quiet: bool, verbose: bool) -> Iterator[Listener]:
    """Listens; what stages and their tools print goes to stderr, since stdout is for results."""
    check()
    with stdout_to_stderr(), listener(quiet, verbose) as heard:
        yield heard


def listener(quiet: bool, verbose: bool) -> SilentListener:
    """The listener for this terminal; `quiet` reports only what stalls, waits or fails."""
    if quiet:
        return QuietListener()
    return LiveListener() if sys.stderr.isatty() else LineListener(say, verbose)


class QuietListener(SilentListener):
    """Reports only stages that stall, wait for another process or fail."""

    def stalled(self, stage: Stage, seconds: float, log: Path) -> None:
        """Print a line that names the log."""
        say(stalled_line(stage, seconds, log))

    def noticed(self, stage: Stage, text: str) -> None:
        """Print it."""
        say(f"  {stage.name}: {text}")


class LiveListener(QuietListener):
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
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def started(self, stage: Stage, expected: float | None) -> None:
        """Add a bar, which pulses until the total is known."""
        note = f"about {expected:.0f} s" if expected else ""
        self._tasks[stage.name] = self._progress.add_task(stage.name, total=None, note=note)

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """Move the bar."""
        task = self._tasks[stage.name]
        text = shown(f"{done:.0f}/{total:.0f} {note}")
        text = text if len(text) <= _NOTE else f"{text[: _NOTE - 1]}…"
        self._progress.update(task, completed=done, total=total, note=text)

    def finished(self, result: StageResult) -> None:
        """Fill the bar."""
        task = self._tasks.get(result.stage.name)
        if task is not None:
            self._progress.update(task, total=1, completed=1, note="")
