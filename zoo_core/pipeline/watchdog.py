"""A watchdog: reports stalls, and writes the stacks of all threads to the log."""

from __future__ import annotations

import faulthandler
import sys
import time
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STALL_SECONDS = 120.0
STUCK_SECONDS = 300.0
"""If no Python thread could run for this long, the stacks go to stderr."""

EXIT_SECONDS = 60.0


@contextmanager
def watching(
    log: Path, stalled: Callable[[float], None], limit: float = STALL_SECONDS
) -> Iterator[Callable[[], None]]:
    """Yields a function to call whenever work makes progress.

    If it is not called for `limit` seconds, and after each further `limit`, a thread appends the
    stacks of all threads to `log` and calls `stalled` with the seconds since the last call. It only
    reports: the work may be a slow compiler. Native code that holds the interpreter's lock blocks
    this thread too; if it cannot run for STUCK_SECONDS, a timer that needs no lock writes the
    stacks to stderr. The timer never fires while Python code runs, when reading the stacks without
    the lock would not be safe.
    """
    last = time.monotonic()
    ended = Event()

    def beat() -> None:
        nonlocal last
        last = time.monotonic()

    def watch() -> None:
        reports = 0
        while not ended.wait(min(limit, STALL_SECONDS) / 4):
            _arm()
            silent = time.monotonic() - last
            times = int(silent / limit)
            if times > reports:
                _dump(log)
                stalled(silent)
            reports = times

    thread = Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    _arm()
    try:
        yield beat
    finally:
        ended.set()
        thread.join()
        faulthandler.cancel_dump_traceback_later()


def _arm() -> None:
    """Restart the timer, if there is a stderr to write to."""
    with suppress(AttributeError, OSError, ValueError):
        place = sys.__stderr__ or sys.stderr
        faulthandler.dump_traceback_later(STUCK_SECONDS, file=place)


def guard_exit(limit: float = EXIT_SECONDS) -> None:
    """Write the stacks and end the process if it has not ended after `limit` seconds.

    For the end of a program, where threads of native libraries can hang.
    """
    faulthandler.dump_traceback_later(limit, exit=True)


def _dump(log: Path) -> None:
    with suppress(FileNotFoundError), log.open("a", encoding="utf-8") as stream:
        stream.write(f"-- no progress, {time.strftime('%H:%M:%S')}; all threads:\n")
        stream.flush()
        faulthandler.dump_traceback(stream, all_threads=True)
