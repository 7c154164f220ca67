"""Three steps of a chain at once: prepare, run, finish; in order, with bounded queues."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

_AHEAD = 2


def overlap(
    items: Iterable[A],
    prepare: Callable[[A], B],
    run: Callable[[list[B]], C],
    finish: Callable[[C], D],
    batch: int,
) -> Iterator[D]:
    """`finish(run([prepare(item), ...]))` per batch, in order.

    While one batch runs (in the caller's thread), the next ones are prepared and the one before is
    finished in two further threads. At most two batches are prepared ahead. The first error of any
    step is raised here; the threads end with the iteration, however it ends.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "prepare") as before, ThreadPoolExecutor(1, "finish") as after:
        ahead: deque[Future[B]] = deque()
        behind: deque[Future[D]] = deque()
        try:
            while True:
                wanted = batch * _AHEAD - len(ahead)
                ahead.extend(before.submit(prepare, item) for item in islice(source, wanted))
                if not ahead:
                    break
                group = [ahead.popleft().result() for _ in range(min(batch, len(ahead)))]
                ahead.extend(before.submit(prepare, item) for item in islice(source, batch))
                behind.append(after.submit(finish, run(group)))
                if len(behind) > 1:
                    yield behind.popleft().result()
            while behind:
                yield behind.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()
            for unfinished in behind:
                unfinished.cancel()
