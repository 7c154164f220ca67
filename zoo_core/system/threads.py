"""Threads that serve one queue."""

from __future__ import annotations

import time
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

A = TypeVar("A")


class ThreadPool:
    """So many threads, named `<name>-<number>`; daemons: a hung one keeps no process alive."""

    def __init__(self, threads: int, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._serve, name=f"{name}-{number}", daemon=True)
            for number in range(1, threads + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], A]) -> Future[A]:
        """Run `work` in the next free thread; its result or error is the future's."""
        future: Future[A] = Future()
        self._jobs.put((work, future))
        return future

    def map(self, work: Callable[[], A], times: int) -> list[A]:
        """Run `work` so many times, and wait for all; raises the first error, in order."""
        return [future.result() for future in [self.submit(work) for _ in range(times)]]

    def close(self, seconds: float) -> None:
        """Let the threads end after the work that is queued; waits so long for all together."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # raised again by the thread that waits
                    future.set_exception(error)
            del job, work, future
