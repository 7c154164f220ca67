"""Worker threads that run a session at once, and end together whatever happens."""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WAIT_SECONDS = 0.5
_HUNG_SECONDS = 120.0


def together(
    workers: int, work: Callable[[int, Event], None], idle: Callable[[], None] | None = None
) -> None:
    """Runs `work(number, stop)` in so many threads, and returns when all have ended.

    A single worker runs in the caller's thread. `stop` is set when one of them raises, or the
    caller is interrupted; the first error is raised here. `idle` is called now and then while
    waiting. Threads are daemons, and one that hangs in a session is left after two minutes: it does
    not keep the process alive.
    """
    stop = Event()
    if workers == 1:
        work(0, stop)
        return
    failed: list[BaseException] = []

    def serve(number: int) -> None:
        try:
            work(number, stop)
        except BaseException as error:  # raised again by the caller's thread
            failed.append(error)
            stop.set()

    threads = [
        Thread(target=serve, args=(number,), name=f"bench-{number}", daemon=True)
        for number in range(workers)
    ]
    for thread in threads:
        thread.start()
    try:
        _wait(threads, stop, idle)
    finally:
        stop.set()
        deadline = time.monotonic() + _HUNG_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    if failed:
        raise failed[0]


def _wait(threads: list[Thread], stop: Event, idle: Callable[[], None] | None) -> None:
    """Until all have ended, or one of them has failed."""
    for thread in threads:
        while thread.is_alive() and not stop.is_set():
            thread.join(_WAIT_SECONDS)
            if idle:
                idle()
