"""Applies a function to items in several threads, with results in order."""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from zoo_core.errors import StageError
from zoo_core.system.threads import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

A = TypeVar("A")
B = TypeVar("B")

STALL_SECONDS = 900.0
"""A thread that has no result after this long counts as hung."""

_JOIN_SECONDS = 5.0
"""For all threads together; closing the session may wake a thread that hangs."""


def in_order(
    items: Iterable[A], work: Callable[[A], B], workers: int, stall: float = STALL_SECONDS
) -> Iterator[B]:
    """`work(item)` for each item, in `workers` threads; results in the items' order.

    At most two items per worker are taken ahead of the result to yield next. The first error of an
    item, in order, is raised here; an error of `items` is raised at once. However the iteration
    ends, no further item is started, and each thread ends after its current item. Raises
    StageError if a result takes more than `stall` seconds; a thread that hangs does not keep the
    process from ending.
    """
    pool = ThreadPool(workers, "chain")
    futures: deque[Future[B]] = deque()
    source = iter(items)
    try:
        futures.extend(pool.submit(partial(work, item)) for item in islice(source, 2 * workers))
        while futures:
            yield _result(futures[0], stall)
            futures.popleft()
            futures.extend(pool.submit(partial(work, item)) for item in islice(source, 1))
    finally:
        for future in futures:
            future.cancel()
        pool.close(_JOIN_SECONDS)


def _result(future: Future[B], stall: float) -> B:
    try:
        return future.result(stall)
    except TimeoutError as error:
        if future.done():
            raise
        what = f"no result for {stall:.0f} s: a worker thread hangs"
        raise StageError(what, next="see the stacks of all threads in the log") from error
