"""Worker threads that run a network at once, and end together whatever happens."""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, wait
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from zoo_core.system.threads import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "bench"
_WAIT_SECONDS = 0.5
HUNG_SECONDS = 120.0
"""So long for threads to end, all together."""


def run_workers(
    workers: int, work: Callable[[int, Event], None], idle: Callable[[], None] | None = None
) -> None:
    """Run `work(number, stop)` in so many threads, and return when all have ended.

    A single worker runs in the caller's thread. `stop` is set when one of them raises, or the
    caller is interrupted; the first error is raised here. `idle` is called now and then while
    waiting. A thread that hangs is left after two minutes.
    """
    stop = Event()
    if workers == 1:
        work(0, stop)
        return
    pool = ThreadPool(workers, NAME)
    try:
        futures = [pool.submit(partial(work, number, stop)) for number in range(workers)]
        done, left = wait(futures, _WAIT_SECONDS, FIRST_EXCEPTION)
        while left and not any(future.exception() for future in done):
            if idle:
                idle()
            done, left = wait(futures, _WAIT_SECONDS, FIRST_EXCEPTION)
        error = next((failure for future in done if (failure := future.exception())), None)
    finally:
        stop.set()
        pool.close(HUNG_SECONDS)
    if error:
        raise error
