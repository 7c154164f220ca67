"""Sweeping settings: the batch, and the backend's own options that are numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zoo_core.benchmark import statistics
from zoo_core.benchmark.result import interval
from zoo_core.benchmark.sweep import Point, find_best
from zoo_core.commands.bench.artefact import Build, measure
from zoo_core.commands.bench.parts import Part, speed
from zoo_core.commands.bench.request import whole
from zoo_core.errors import StageError, UsageError, did_you_mean, first_line, is_interrupt
from zoo_core.planning.build import Goal
from zoo_core.system.machine import cpu_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.benchmark.settings import BenchSettings
    from zoo_core.commands.bench.artefact import Measured
    from zoo_core.commands.bench.request import BenchRequest
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run

BATCH = "batch"
_USUAL = (BATCH, "threads", "streams")
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


def swept_values(run: Run, spelling: str) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Values of each setting of `--sweep NAME[=V:V...],...`, and the settings that are left out.

    The usual names (batch, threads, streams) have values of their own, and are left out where the
    backend has no such option. Raises UsageError for other names that it has not, or without
    values.
    """
    options = run.resolved.backend.options
    known: dict[str, tuple[int, ...]] = {}
    missing = []
    for part in spelling.split(","):
        name, _, values = part.strip().partition("=")
        if name != BATCH and name not in options:
            if name not in _USUAL:
                what = f"backend '{run.resolved.backend.name}' has no setting '{name}'"
                raise UsageError(what, where="--sweep", next=did_you_mean(name, [BATCH, *options]))
            missing.append(name)
        elif values:
            known[name] = tuple(whole(value, f"--sweep {name}") for value in values.split(":"))
        elif name in _USUAL:
            known[name] = _BATCHES if name == BATCH else _up_to(cpu_threads())
        else:
            step = f"write {name}=1:2:4"
            raise UsageError(f"'{name}' has no usual values", where="--sweep", next=step)
    if not known:
        what = f"backend '{run.resolved.backend.name}' has none of {', '.join(missing)}"
        raise UsageError(what, where="--sweep", next=did_you_mean("", [BATCH, *options]))
    return known, missing


def sweep(
    run: Run, work: Workspace, how: BenchRequest, progress: ProgressReporter
) -> Iterator[Part]:
    """The best point's benchmark, then the table of all points."""
    values, missing = swept_values(run, how.sweep or "")
    settings = how.settings.brief()
    if settings.scenario is None:
        settings = replace(settings, scenario="offline")
    sweeper = _Sweeper(run, work, settings, progress)
    try:
        found = find_best(values, sweeper.point)
    except StageError:  # all of the first points
        raise sweeper.errors[0] from None
    result = replace(
        found,
        unit="runs/s" if settings.scenario == "single-stream" else "images/s",
        scenario=settings.scenario or "",
        left_out=tuple(missing),
    )
    yield Part(key="sweep", data=result)
    yield speed(sweeper.measured[_key(result.best.settings)], with_block=False)


@dataclass(frozen=True, slots=True)
class _Sweeper:
    """Compiles and measures points; keeps what it measured, and why others failed."""

    run: Run
    work: Workspace
    settings: BenchSettings
    progress: ProgressReporter
    measured: dict[str, Measured] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)

    def point(self, settings: Mapping[str, int]) -> Point:
        name = _key(settings)
        try:
            measured = self.measured[name] = self._measure(settings)
        except Exception as error:
            if is_interrupt(error):
                raise
            self.errors.append(error)
            return Point(settings=settings, score=0.0, noise=0.0, failure=first_line(error))
        if self.settings.scenario == "single-stream":
            score, noise = _latency(measured)
        else:
            score, noise = _throughput(measured)
        return Point(
            settings=settings,
            score=round(score, 4),
            noise=round(noise, 5),
            latency_ms=measured.benchmark.summary.median,
            steady=measured.benchmark.steadiness.steady,
        )

    def _measure(self, settings: Mapping[str, int]) -> Measured:
        options = {key: str(value) for key, value in settings.items() if key != BATCH}
        request = self.run.request
        changed = replace(
            request,
            batch=settings.get(BATCH, request.batch),
            options={**request.options, **options},
        )
        planned = self.work.plan(changed, Goal.COMPILE)
        with self.progress.stages() as listener:
            results = self.work.execute(planned.plan, listener)

        def tell(text: str) -> None:
            self.progress.detail(f"{_key(settings)}: {text}")

        return measure(Build(planned, self.work, results), self.settings, tell)


def _throughput(measured: Measured) -> tuple[float, float]:
    series, settings = measured.benchmark.throughput.series, measured.benchmark.settings
    rate, ends = series.samples_per_second, interval(series, settings.least_samples)
    return rate, (ends[1] - ends[0]) / 2 / rate if ends else 0.0


def _latency(measured: Measured) -> tuple[float, float]:
    """Queries a second by the median latency."""
    samples = measured.benchmark.latency.series.durations
    middle = measured.benchmark.summary.median / 1e3
    low, high = statistics.median_interval(samples)
    return 1 / middle, (high - low) / 2 / middle


def _key(settings: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _up_to(most: int) -> tuple[int, ...]:
    """1, 2, 4 ... and the most itself."""
    powers = [1 << step for step in range(most.bit_length()) if 1 << step < most]
    return (*powers, most)
