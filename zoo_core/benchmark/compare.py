"""Two builds in one process, turn by turn, and the paired difference of their times.

Turns come as A B B A, so that a drift of the machine (heat, clocks, other work) that is linear
within a block falls on both alike. Each block gives one pair; the pairs are tested by their ranks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.benchmark.measure import HINTS, queries
from zoo_core.benchmark.result import milli
from zoo_core.benchmark.series import Instruments, Ticker, warm_up
from zoo_core.benchmark.statistics import shift
from zoo_core.benchmark.text import row
from zoo_core.errors import UsageError
from zoo_core.system.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.benchmark.measure import Network, Workload
    from zoo_core.benchmark.series import Clock, Query
    from zoo_core.benchmark.settings import BenchSettings

SCENARIOS = ("single-stream", "offline")
LEAST_BLOCKS, MOST_BLOCKS = 12, 200

_TURN_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class VersusFigures(Record):
    """Two builds, `this` and `other`; `speedup` is how many times as fast the first is.

    `verdict` is `faster` or `slower` (the first), or `no difference shown`; `sentence` names the
    faster one; `p` is that of equal.
    """

    this: str
    other: str
    scenario: str
    order: str = "ABBA"
    blocks: int
    runs: int
    median_ms: float
    other_median_ms: float
    speedup: float
    speedup_interval: tuple[float, ...]
    confidence: float = 0.95
    p: float
    sentence: str = ""
    test: str = "Wilcoxon signed-rank over blocks, Hodges-Lehmann estimate"
    verdict: str

    def lines(self) -> list[str]:
        """The comparison for a terminal."""
        low, high = self.speedup_interval
        medians = f"{self.median_ms:.3f} against {self.other_median_ms:.3f} ms a sample"
        interval = f"({low:.3f} to {high:.3f} with 95% confidence)"
        return [
            f"{self.this} against {self.other}, {self.scenario}, {self.blocks} blocks of A B B A",
            row("median", medians),
            row("speedup", f"{self.speedup:.3f} times as fast {interval}"),
            row("verdict", f"{self.sentence} (p = {self.p:.2g})"),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """Times of two builds in seconds per sample, float64 [blocks, runs of a block]."""

    scenario: str
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    def figures(self, this: str, other: str) -> VersusFigures:
        """What a report holds; the speedup is from the logarithms of the blocks' median ratios."""
        medians = np.median(self.first, axis=1), np.median(self.second, axis=1)
        ratio = shift(np.log(medians[0] / medians[1]))
        verdict = "faster" if ratio.high < 0 else "slower"
        names = (this, other) if ratio.high < 0 else (other, this)
        sentence = f"{names[0]} is {math.exp(abs(ratio.estimate)):.2f} times as fast as {names[1]}"
        if ratio.low <= 0 <= ratio.high:
            verdict = sentence = "no difference shown"
        return VersusFigures(
            this=this,
            other=other,
            scenario=self.scenario,
            blocks=int(self.first.shape[0]),
            runs=int(self.first.size),
            median_ms=milli(float(np.median(self.first))),
            other_median_ms=milli(float(np.median(self.second))),
            speedup=round(math.exp(-ratio.estimate), 5),
            speedup_interval=tuple(round(math.exp(-end), 5) for end in (ratio.high, ratio.low)),
            p=ratio.p,
            sentence=sentence,
            verdict=verdict,
        )

    def raw(self) -> dict[str, list[list[float]]]:
        """Every run in milliseconds per sample, by block."""
        return {"this_ms": (self.first * 1e3).tolist(), "other_ms": (self.second * 1e3).tolist()}


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
            queries(one, *sides[0]) as run_first,
            queries(two, *sides[1]) as run_second,
        ):
            times = turns(run_first, run_second, settings, tools, scenario)
    scale = [1.0 / (size * calls) for size, calls in sides]
    return Versus(scenario=scenario, first=times[0] * scale[0], second=times[1] * scale[1])


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
    tick, start = Ticker(scenario, tools, "blocks"), clock()
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
        tick(len(rows[0]), clock())
    return np.array(rows[0]), np.array(rows[1])


def _size(scenario: str, workload: Workload, network: Network) -> tuple[int, int]:
    """Samples of a run, and runs of a query."""
    if scenario == "offline":
        return network.samples(workload.batch), network.workers
    return network.samples(1), 1


def _once(query: Query, clock: Clock) -> float:
    before = clock()
    query()
    return clock() - before
