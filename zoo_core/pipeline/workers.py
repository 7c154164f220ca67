"""Several whole chains at once: each thread takes an item from start to end; results in order."""

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
    chains = ThreadPool(workers, "chain")
    waiting: deque[Future[B]] = deque()
    source = iter(items)
    try:
        waiting.extend(chains.submit(partial(work, item)) for item in islice(source, 2 * workers))
        while waiting:
            yield _result(waiting[0], stall)
            waiting.popleft()
            waiting.extend(chains.submit(partial(work, item)) for item in islice(source, 1))
    finally:
        for future in waiting:
            future.cancel()
        chains.close(_JOIN_SECONDS)


def _result(future: Future[B], stall: float) -> B:
    try:
        return future.result(stall)
    except TimeoutError as error:
        if future.done():
            raise
        what = f"no result for {stall:.0f} s: a chain hangs"
        raise StageError(what, next="see the stacks of all threads in the log") from error
