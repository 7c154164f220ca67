"""The measurement itself: warm up, time single queries, then batches back to back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zoo_core.bench.result import Benchmark, Subject
from zoo_core.bench.series import offline, single_queries, warm_up
from zoo_core.bench.settings import BenchSettings
from zoo_core.errors import UsageError
from zoo_core.host import environment, momentary

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_core.nouns import Arrays, Session


def measure(
    session: Session,
    feeds: Arrays,
    settings: BenchSettings | None = None,
    clock: Callable[[], float] = time.perf_counter,
    subject: Subject | None = None,
) -> Benchmark:
    """Times `session` on one batch of inputs, `feeds`, that is used again and again.

    Open the session for this alone, or its first inference is not the first. Latency is that of one
    sample where the session takes any batch, else of the whole batch; throughput that of whole
    batches. Everything is in this thread; an interrupt passes through. Raises UsageError for feeds
    that are not one batch.
    """
    settings = settings or BenchSettings()
    batch = _batch(feeds)
    query = _one_sample(session, feeds) if batch > 1 else feeds
    before = environment()
    began = clock()
    warmup = warm_up(lambda: session.run(query), settings, clock)
    latency = single_queries(lambda: session.run(query), _batch(query), settings, clock, began)
    if query is not feeds:
        session.run(feeds)
    throughput = offline(lambda: session.run(feeds), batch, settings, clock)
    return Benchmark(
        subject=subject or Subject(),
        settings=settings,
        warmup=warmup,
        latency=latency,
        offline=throughput,
        environment={**before, "after": momentary()},
    )


def _batch(feeds: Arrays) -> int:
    sizes = {array.shape[0] if array.ndim else 0 for array in feeds.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise UsageError(
            f"inputs of batch sizes {sorted(sizes)} are not one batch", where="benchmark"
        )
    return int(sizes.pop())


def _one_sample(session: Session, feeds: Arrays) -> Arrays:
    """The first sample alone where the session takes any batch, else the feeds as they are."""
    if all(spec.shape and isinstance(spec.shape[0], str) for spec in session.inputs):
        return {name: array[:1] for name, array in feeds.items()}
    return feeds
