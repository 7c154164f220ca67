"""Watches that work goes on: says so, and keeps the stacks of all threads, when it does not."""

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
"""After so long in which no Python thread could run the stacks go to stderr."""

EXIT_SECONDS = 60.0


@contextmanager
def watching(
    log: Path, stalled: Callable[[float], None], limit: float = STALL_SECONDS
) -> Iterator[Callable[[], None]]:
    """Gives a function to call as work goes on.

    Where it is not called for `limit` seconds, and again after each further `limit`, the stacks of
    all threads are appended to `log` and `stalled` is told for how many seconds nothing happened,
    from a thread of its own. It only tells: what stalls may be a slow compiler. Native code that
    holds the interpreter's lock for ever silences that thread too; when it has not come round for
    STUCK_SECONDS, a timer that needs no lock shows the stacks on stderr. It never fires while
    Python runs, when looking at the stacks without the lock would not be safe.
    """
    last = time.monotonic()
    ended = Event()

    def beat() -> None:
        nonlocal last
        last = time.monotonic()

    def watch() -> None:
        told = 0
        while not ended.wait(min(limit, STALL_SECONDS) / 4):
            _arm()
            silent = time.monotonic() - last
            times = int(silent / limit)
            if times > told:
                _dump(log)
                stalled(silent)
            told = times

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
    """Where there is a stderr to write to."""
    with suppress(AttributeError, OSError, ValueError):
        place = sys.__stderr__ or sys.stderr
        faulthandler.dump_traceback_later(STUCK_SECONDS, file=place)


def guard_exit(limit: float = EXIT_SECONDS) -> None:
    """From now on the process has so long to end; then its stacks are shown and it is ended.

    For the very end of a program: threads of native libraries can hang there.
    """
    faulthandler.dump_traceback_later(limit, exit=True)


def _dump(log: Path) -> None:
    with suppress(FileNotFoundError), log.open("a", encoding="utf-8") as stream:
        stream.write(f"-- no progress, {time.strftime('%H:%M:%S')}; all threads:\n")
        stream.flush()
        faulthandler.dump_traceback(stream, all_threads=True)
