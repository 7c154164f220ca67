"""Trials: each is a run with other options, scored beside fp32 and timed beside the plain build."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.benchmark.compare import VersusFigures, compare
from zoo_core.benchmark.series import Instruments
from zoo_core.commands.bench.artefact import Build
from zoo_core.commands.tune.search import FASTER, PLAIN, SLOWER, Trial, verdict_of
from zoo_core.errors import StageError, UsageError, first_line
from zoo_core.planning.build import Goal
from zoo_core.reporting.build import Outcome, build_report
from zoo_core.reporting.differences import ScoredRun, compare_runs, read_samples
from zoo_core.reporting.run_folder import RESAMPLES
from zoo_core.system.files import add_json_line, disk_errors, read_json_lines
from zoo_core.system.machine import cpu_name
from zoo_core.system.paths import TUNED, folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.benchmark.settings import BenchSettings
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.request import RunRequest

JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Done:
    """A run that is built and scored."""

    build: Build
    scored: ScoredRun

    @property
    def key(self) -> str:
        """The key of the artefact."""
        planned = self.build.run.plan.artefact()
        return planned.key if planned else ""


class Journal:
    """A line for each trial and measured speed, which is not measured again after a kill."""

    def __init__(self) -> None:
        self.path = folder(TUNED) / JOURNAL

    def speed(self, key: list[Any]) -> VersusFigures | None:
        """The figures that were measured for a key."""
        for row in reversed(read_json_lines(self.path)):
            if row.get("key") == key and isinstance(row.get("speed"), dict):
                try:
                    return VersusFigures.from_data(row["speed"])
                except TypeError:  # damaged: measured again
                    return None
        return None

    def add(self, key: list[Any], speed: VersusFigures | None, name: str, done: Done) -> None:
        """Add a trial; one without a speed only if it is not there."""
        if speed is None and any(row.get("key") == key for row in read_json_lines(self.path)):
            return
        request = done.build.run.request
        row = {
            "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "model": request.model,
            "backend": request.backend,
            "precision": request.precision,
            "trial": name,
            "options": dict(request.options),
            "metrics": dict(done.scored.report.metrics or {}),
            "key": key,
            "speed": speed and speed.to_data(),
        }
        with disk_errors(self.path):
            add_json_line(self.path, row)


@dataclass(slots=True, kw_only=True)
class Laboratory:
    """Makes trials of one request; `done` has what was built, by the trial's options."""

    work: Workspace
    progress: ProgressReporter
    request: RunRequest
    max_drop: float
    max_cost: float
    settings: BenchSettings
    journal: Journal = field(default_factory=Journal)
    done: list[tuple[Trial, Done]] = field(default_factory=list)
    reference: Done = field(init=False)
    plain: Done = field(init=False)
    gain: VersusFigures | None = field(init=False, default=None)

    def begin(self) -> Trial:
        """Run fp32 and the plain precision, and measure what the latter gains."""
        began = time.perf_counter()
        self.reference = self._run(replace(self.request, precision="fp32"))
        self.plain = self._run(self.request)
        self.gain = self._speed(self.plain, self.reference, self.request.precision, "fp32")
        trial = self._scored(PLAIN, {}, self.plain, time.perf_counter() - began)
        if trial.drop is None:
            what = "has no figures to compare with fp32: nothing can be tuned"
            raise UsageError(what, where=self.request.model, next="see `zoo eval` for why")
        return trial

    def make(self, name: str, options: Mapping[str, str], best: Trial) -> Trial:
        """A trial; its speed is measured if it reaches the limit or drops less than the best."""
        began = time.perf_counter()
        asked = replace(self.request, options={**self.request.options, **options})
        try:
            done = self._run(asked)
        except (StageError, UsageError) as error:
            trial = Trial(name=name, options=options, refused=f"failed: {first_line(error)}")
            self._tell(trial)
            return trial
        trial = self._scored(name, options, done, time.perf_counter() - began)
        if trial.reached or trial.beats(best):
            trial = self._priced(trial, done, began)
        else:
            self.journal.add([done.key, self.plain.key], None, name, done)
        self._tell(trial)
        return trial

    def final(self, trial: Trial) -> VersusFigures | None:
        """The chosen build against fp32, in turns, for as long as the gain itself."""
        done = next(done for known, done in self.done if known.options == trial.options)
        return self._speed(done, self.reference, trial.name, "fp32")

    def _run(self, request: RunRequest) -> Done:
        run = self.work.plan(request, Goal.SCORE)
        with self.progress.stages() as listener:
            results = self.work.execute(run.plan, listener)
        outcome = Outcome(run=run, results=results, benchmark=None, output=Path())
        path = outcome.path(RESAMPLES)
        report = build_report(outcome, self.work.registry)
        samples = read_samples(path) if path else {}
        scored = ScoredRun(folder=Path(), report=report, samples=samples)
        return Done(Build(run, self.work, results), scored)

    def _scored(self, name: str, options: Mapping[str, str], done: Done, seconds: float) -> Trial:
        row = difference(self.reference, done)
        low, high = (None if end is None else 0.0 - end for end in (row.high, row.low))
        drop = None if row.difference is None else 0.0 - row.difference
        verdict, reached = verdict_of(drop, low, high, self.max_drop)
        trial = Trial(
            name=name,
            options=options,
            value=row.values[-1],
            drop=drop,
            low=low,
            high=high,
            verdict=verdict,
            reached=reached,
            seconds=round(seconds, 2),
        )
        self.done.append((trial, done))
        return trial

    def _priced(self, trial: Trial, done: Done, began: float) -> Trial:
        speed = self._speed(done, self.plain, trial.name, self.request.precision)
        cost, refused = cost_of(speed, self.gain, self.max_cost)
        seconds = round(time.perf_counter() - began, 2)
        return replace(trial, speed=speed, cost=cost, refused=refused, seconds=seconds)

    def _speed(self, done: Done, other: Done, name: str, beside: str) -> VersusFigures | None:
        resolved = done.build.run.resolved
        if resolved.emulated or resolved.stored:
            return None
        key = [done.key, other.key, self.settings.seconds, cpu_name()]
        known = self.journal.speed(key)
        if known:
            return replace(known, this=name, other=beside)
        workloads = done.build.workload(), other.build.workload()
        tools = Instruments(tell=self.progress.detail)
        figures = compare(*workloads, self.settings, tools).figures(name, beside)
        self.journal.add(key, figures, name, done)
        return figures

    def _tell(self, trial: Trial) -> None:
        if trial.drop is None:
            self.progress.message(f"{trial.name}: {trial.refused}")
            return
        price = "" if trial.cost is None else f", costs {trial.cost:.0%} of the gain in speed"
        refused = f": {trial.refused}" if trial.refused else ""
        self.progress.message(f"{trial.name}: drop {trial.drop:+.4f}{price}{refused}")


def difference(reference: Done, done: Done) -> Any:
    """The first metric of a run beside the reference's; see `zoo_core.reporting.differences`."""
    return compare_runs([reference.scored, done.scored]).metrics[0]


def cost_of(
    speed: VersusFigures | None, gain: VersusFigures | None, most: float
) -> tuple[float | None, str]:
    """The share of the gain that is lost, and why that is too much.

    With s the plain build's speedup over fp32 and r the trial's over the plain build, s - s r of
    the gain s - 1 is lost. Without a gain that is shown there is none to lose.
    """
    if speed is None or gain is None or gain.verdict != FASTER:
        return None, ""
    cost = gain.speedup * (1 - speed.speedup) / (gain.speedup - 1)
    if cost > most and speed.verdict == SLOWER:
        return round(cost, 4), f"costs {cost:.0%} of the gain in speed, more than {most:.0%}"
    return round(cost, 4), ""
