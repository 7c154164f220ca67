"""Several whole chains at once: each thread takes an item from start to end; results in order."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future
from itertools import count, islice
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from zoo_core.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

A = TypeVar("A")
B = TypeVar("B")

STALL_SECONDS = 900.0
"""After so long without the next result a chain counts as hung."""

_JOIN_SECONDS = 5.0
"""So long for all threads together; closing the session may be what wakes one that hangs."""


def in_order(
    items: Iterable[A], work: Callable[[A], B], workers: int, stall: float = STALL_SECONDS
) -> Iterator[B]:
    """`work(item)` for each item, by so many threads; results in the items' order.

    At most two items a worker are taken ahead of the result that is waited for. The first error of
    an item, in order, is raised here, and an error of `items` as it comes. However the iteration
    ends, no further item is begun and the threads end with the one they have. Raises StageError
    where a result is not there after `stall` seconds; a thread that hangs does not hold the process
    up.
    """
    chains = _Chains(work, workers)
    waiting: deque[Future[B]] = deque()
    source = iter(items)
    try:
        waiting.extend(chains.submit(item) for item in islice(source, 2 * workers))
        while waiting:
            yield _result(waiting[0], stall)
            waiting.popleft()
            waiting.extend(chains.submit(item) for item in islice(source, 1))
    finally:
        chains.close(waiting)


class _Chains(Generic[A, B]):
    """Threads that serve one queue; daemons, so that a hung one cannot keep the process alive."""

    def __init__(self, work: Callable[[A], B], workers: int) -> None:
        self._work = work
        self._jobs: SimpleQueue[tuple[A, Future[B]] | None] = SimpleQueue()
        numbers = islice(count(1), workers)
        self._threads = [
            Thread(target=self._serve, name=f"chain-{n}", daemon=True) for n in numbers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, item: A) -> Future[B]:
        future: Future[B] = Future()
        self._jobs.put((item, future))
        return future

    def close(self, waiting: Iterable[Future[B]]) -> None:
        """Begin nothing more; wait for what is under way, but not for ever."""
        for future in waiting:
            future.cancel()
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            item, future = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._work(item))
            except BaseException as error:  # handed to the thread that waits
                future.set_exception(error)
            del item, future, job


def _result(future: Future[B], stall: float) -> B:
    try:
        return future.result(stall)
    except TimeoutError as error:
        if future.done():
            raise
        what = f"no result for {stall:.0f} s: a chain hangs"
        raise StageError(what, next="see the stacks of all threads in the log") from error
