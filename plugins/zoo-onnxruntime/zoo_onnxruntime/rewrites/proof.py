"""The proof that two graphs compute the same: both run on one seeded input."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import StageError
from zoo_core.toolkit.machine import cpu_threads
from zoo_core.toolkit.onnx_file import mapped
from zoo_core.toolkit.similarity import snr_db
from zoo_onnxruntime.engine import ALL, NONE, open_session, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BATCH = 2
LIMIT_DB = 90.0
"""Signal over difference that every output of a rewritten graph must reach.

Rounding of float32 alone leaves 100 to 120 dB after a hundred layers; a wrong formula, less than
60. Two images go in, so a batch that was frozen by mistake shows as well.
"""

LOWEST_DB = 60.0
"""What is demanded of a graph that by itself rounds so much that it misses the limit."""

_SPREAD_DB = 6.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near two sets of outputs are: the lowest ratio in dB, the largest difference.

    `limit_db` is what a rewrite must reach.
    """

    snr_db: float
    max_abs: float
    limit_db: float = LIMIT_DB


@dataclass(frozen=True, slots=True)
class Reference:
    """What a graph gives on seeded feeds, to hold its rewritten forms against.

    With `alone` it is that of the last sample by itself, which takes half the time: a rewritten
    graph must give it as the last of two. `again` runs the graph on all feeds.
    """

    outputs: list[NDArray[Any]]
    alone: bool
    again: Callable[[], list[NDArray[Any]]]

    @classmethod
    def of(cls, model: Path, feeds: Mapping[str, NDArray[Any]], where: str) -> Reference:
        """Run the graph without optimisation; on the last sample where all grows with the batch.

        `where` names it in errors.
        """
        session = _session(model, where, plain=True)
        values = session.get_outputs()
        ends = [*session.get_inputs(), *values]
        alone = all(end.shape and not isinstance(end.shape[0], int) for end in ends)
        given = {name: array[-1:] for name, array in feeds.items()} if alone else feeds
        names = [value.name for value in values]
        again = partial(run, session, names, feeds, where=where)
        return cls(run(session, names, given, where=where), alone, again)

    def agreement(self, found: Sequence[NDArray[Any]]) -> Agreement:
        """How near the outputs of a rewritten graph on the same feeds are.

        An image alone and the same as second of two are summed in other orders, which moves some
        graphs further than the limit: what misses it is compared with the graph on equal batches,
        and against how far the two are apart.
        """
        if not self.alone:
            return agreement(self.outputs, found)
        near = self._last(found)
        if near.snr_db >= LIMIT_DB or math.isinf(near.snr_db):
            return near
        again = self.again()
        equal, noise = agreement(again, found), self._last(again)
        limit = max(LOWEST_DB, min(LIMIT_DB, noise.snr_db - _SPREAD_DB))
        return replace(max(near, equal, key=lambda each: each.snr_db), limit_db=limit)

    def _last(self, found: Sequence[NDArray[Any]]) -> Agreement:
        """The last sample of a batch against the one that ran alone."""
        pairs = zip(found, self.outputs, strict=False)
        if len(found) != len(self.outputs) or any(len(f) != BATCH * len(o) for f, o in pairs):
            return Agreement(-math.inf, math.inf)
        return agreement(self.outputs, [array[len(array) // BATCH :] for array in found])


def outputs(
    model: Path, feeds: Mapping[str, NDArray[Any]], where: str, *, plain: bool = False
) -> list[NDArray[Any]]:
    """All outputs of a graph, computed as the runtime does; `where` names it in errors.

    With `plain` the graph runs as it stands, which shows as much of a rewrite and opens at once.
    """
    session = _session(model, where, plain=plain)
    names = [value.name for value in session.get_outputs()]
    return run(session, names, feeds, where=where)


def _session(model: Path, where: str, *, plain: bool) -> Any:
    return open_session(mapped(model), cpu_threads(), level=NONE if plain else ALL, where=where)


def agreement(reference: Sequence[NDArray[Any]], measured: Sequence[NDArray[Any]]) -> Agreement:
    """Compare outputs one by one; other shapes, or NaN and inf elsewhere, give -inf dB."""
    if len(reference) != len(measured):
        return Agreement(-math.inf, math.inf)
    pairs = [_compare(a, b) for a, b in zip(reference, measured, strict=True)]
    return Agreement(min(p.snr_db for p in pairs), max(p.max_abs for p in pairs))


def demand(rewrite: str, found: Agreement) -> None:
    """Raise StageError where a rewrite missed the limit."""
    if not found.snr_db >= found.limit_db:
        raise StageError(
            f"the rewrite '{rewrite}' changes what the graph computes: {found.snr_db:.1f} dB"
            f" where {found.limit_db:.0f} dB are needed (max abs {found.max_abs:.3g})",
            next="leave it out with --option rewrites=none, and report the graph",
        )


def _compare(reference: NDArray[Any], measured: NDArray[Any]) -> Agreement:
    if reference.shape == measured.shape and not np.isfinite(reference).all():
        finite = np.isfinite(reference)  # where it is not, both have to be the same
        if np.array_equal(reference[~finite], measured[~finite], equal_nan=True):
            reference, measured = reference[finite], measured[finite]
    ratio = snr_db(reference, measured)
    if reference.shape != measured.shape or not np.isfinite(measured).all():
        return Agreement(-math.inf, math.inf)
    error = np.abs(reference.astype(np.float64) - measured.astype(np.float64))
    return Agreement(ratio, float(error.max(initial=0.0)))
