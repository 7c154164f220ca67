"""Two builds in one process, turn by turn, and the paired difference of their times.

Turns come as A B B A, so that a drift of the machine (heat, clocks, other work) that is linear
within a block falls on both alike. Each block gives one pair; the pairs are tested by their ranks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.benchmark.measure import HINTS, queries
from zoo_core.benchmark.ranks import shift
from zoo_core.benchmark.result import milli
from zoo_core.benchmark.series import Instruments, warm_up
from zoo_core.benchmark.text import row
from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.api import Session
    from zoo_core.benchmark.measure import Workload
    from zoo_core.benchmark.ranks import Shift
    from zoo_core.benchmark.series import Clock, Query
    from zoo_core.benchmark.settings import BenchSettings

SCENARIOS = ("single-stream", "offline")
LEAST_BLOCKS, MOST_BLOCKS = 12, 200

_TURN_SECONDS = 0.1
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """Times of two builds in seconds per sample, float64 [blocks, runs of a block].

    `ratio` is the first's time over the second's: an estimate, a 95 % interval, and the p of equal.
    """

    scenario: str
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @property
    def ratio(self) -> Shift:
        """From the logarithms of the blocks' ratios of medians."""
        return shift(np.log(np.median(self.first, axis=1) / np.median(self.second, axis=1)))

    @property
    def verdict(self) -> str:
        """`faster` or `slower` (the first), or `no difference shown`."""
        found = self.ratio
        if found.low <= 0 <= found.high:
            return "no difference shown"
        return "faster" if found.high < 0 else "slower"

    def to_data(self) -> dict[str, Any]:
        """The JSON form; `speedup` is how many times as fast the first is."""
        found = self.ratio
        return {
            "scenario": self.scenario,
            "order": "ABBA",
            "blocks": int(self.first.shape[0]),
            "runs": int(self.first.size),
            "median_ms": milli(float(np.median(self.first)) * 1e3),
            "other_median_ms": milli(float(np.median(self.second)) * 1e3),
            "speedup": round(math.exp(-found.estimate), 5),
            "speedup_interval": [round(math.exp(-end), 5) for end in (found.high, found.low)],
            "confidence": _CONFIDENCE,
            "p": found.p,
            "test": "Wilcoxon signed-rank over blocks, Hodges-Lehmann estimate",
            "verdict": self.verdict,
        }

    def lines(self, first: str, second: str) -> list[str]:
        """The comparison for a terminal."""
        data = self.to_data()
        low, high = data["speedup_interval"]
        told = f"{data['speedup']:.3f} times as fast ({low:.3f} to {high:.3f} with 95% confidence)"
        return [
            f"{first} against {second}, {self.scenario}, {data['blocks']} blocks of A B B A",
            row(
                "median",
                f"{data['median_ms']:.3f} against {data['other_median_ms']:.3f} ms a sample",
            ),
            row("speedup", told),
            row("verdict", f"{data['verdict']} (p = {data['p']:.2g})"),
        ]


def compare(
    first: Workload, second: Workload, settings: BenchSettings, tools: Instruments
) -> Versus:
    """Opens both and runs them in turns for `2 * settings.seconds`, at least twelve blocks.

    Raises UsageError for scenarios other than single-stream and offline.
    """
    scenario = settings.scenario or "single-stream"
    if scenario not in SCENARIOS:
        what = f"two builds cannot be compared in the {scenario} scenario"
        raise UsageError(what, where="--vs", next=f"use {' or '.join(SCENARIOS)}")
    tools.tell(f"{scenario}: loading both")
    hint = HINTS[scenario]
    with first.open(hint) as one, second.open(hint) as two:
        sides = [_size(scenario, *side) for side in ((first, one), (second, two))]
        with (
            queries(first, one, *sides[0]) as run_first,
            queries(second, two, *sides[1]) as run_second,
        ):
            found = turns(run_first, run_second, settings, tools, scenario)
    scale = [1.0 / (size * calls) for size, calls in sides]
    return Versus(scenario=scenario, first=found[0] * scale[0], second=found[1] * scale[1])


def turns(
    first: Query, second: Query, settings: BenchSettings, tools: Instruments, scenario: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds of the runs of both, float64 [blocks, runs]; each turn begins with one not counted.

    After a turn of the other build, that first run finds cold caches and threads that still spin.
    """
    clock = tools.clock
    tools.tell(f"{scenario}: warming up both")
    for query in (first, second):
        warm_up(query, settings, clock, scenario)
    pace = max(_once(first, clock), _once(second, clock), 1e-6)
    count = max(1, min(50, round(_TURN_SECONDS / pace)))
    tools.tell(f"{scenario}: in turns for {2 * settings.seconds:g} s")
    rows: tuple[list[list[float]], list[list[float]]] = ([], [])
    start = told = clock()
    while len(rows[0]) < MOST_BLOCKS and (
        len(rows[0]) < LEAST_BLOCKS or clock() - start < 2 * settings.seconds
    ):
        block: tuple[list[float], list[float]] = ([], [])
        for side in (0, 1, 1, 0):
            query = (first, second)[side]
            query()
            block[side].extend(_once(query, clock) for _ in range(count))
        rows[0].append(block[0])
        rows[1].append(block[1])
        if clock() - told > 5:
            told = clock()
            tools.tell(f"{scenario}: {len(rows[0])} blocks in {told - start:.0f} s")
    return np.array(rows[0]), np.array(rows[1])


def _size(scenario: str, workload: Workload, session: Session) -> tuple[int, int]:
    """Samples of a run, and runs of a query."""
    if scenario == "offline":
        return workload.samples(session, workload.batch), session.workers
    return workload.samples(session, 1), 1


def _once(query: Query, clock: Clock) -> float:
    before = clock()
    query()
    return clock() - before
