"""What `zoo tune` says: the trials, the options that were chosen, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo_core.benchmark.compare import VersusFigures
from zoo_core.commands.tune.search import FASTER, PASSED, PLAIN, Trial
from zoo_core.errors import AccuracyGateError
from zoo_core.pipeline.resampling import CONFIDENCE
from zoo_core.system.record import Parts, Record
from zoo_core.system.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SCHEMA = "zoo.tune/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneReport(Record):
    """The outcome; `gain` is the plain build's speed against fp32, `speed` the chosen one's.

    `optimism` is by how much the chosen drop is likely understated because it was chosen for it.
    `reached` is false if no trial is within the limit. `file` is where the options were written.
    """

    parts: ClassVar[Parts] = {
        "trials": Trial,
        "chosen": Trial,
        "gain": VersusFigures,
        "speed": VersusFigures,
    }

    model: str
    name: str
    backend: str
    precision: str
    metric: str
    images: int
    max_drop: float
    max_speed_cost: float
    reference: float
    trials: tuple[Trial, ...]
    chosen: Trial
    gain: VersusFigures | None = None
    speed: VersusFigures | None = None
    optimism: float | None = None
    reached: bool
    file: str | None = None
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def plain(self) -> Trial:
        """The precision without options of tune."""
        return self.trials[0]

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        one = self.chosen
        told = f"{self.metric} {_way(one)}{_span(one)}"
        if one.name == PLAIN:
            told += " without any option of tune, so none is written"
        else:
            told += f" with {one.name}; without any option it {_way(self.plain)}{_span(self.plain)}"
        limit = f"the limit {self.max_drop:g}"
        if not self.reached:
            nothing = ": nothing that was tried drops less" if one.name == PLAIN else ""
            return f"{told}: {limit} is not reached{nothing}"
        if one.verdict == PASSED:
            return f"{told}: {limit} is reached"
        return f"{told}: {limit} is reached by the figure, not decided by {self.images} images"

    def to_data(self) -> dict[str, Any]:
        """The document `zoo.tune/1`; metrics and drops are fractions."""
        own = {"confidence": CONFIDENCE, "sentence": self.sentence}
        return {"schema": SCHEMA, **Record.to_data(self), **own}

    def lines(self) -> list[str]:
        """For a terminal: a row for each trial, the speed, and the outcome."""
        head = ("trial", self.metric, "drop", f"{CONFIDENCE:.0%} interval", "speed cost", "")
        first = ("fp32", f"{self.reference:.4f}", "", "", "", "")
        rows = columns(head, [first, *(_row(trial, self.chosen) for trial in self.trials)])
        lines = [*(line.rstrip() for line in rows), ""]
        for figures in (self.gain, self.speed):
            if figures:
                low, high = figures.speedup_interval
                bounds = f"({CONFIDENCE:.0%}: {low:.3f} to {high:.3f})"
                lines.append(
                    f"{figures.this}: {figures.speedup:.3f} times as fast as fp32 {bounds}"
                )
        lines += [f"warning: {text}" for text in self.warnings]
        lines.append(self.sentence)
        if self.file:
            options = ",".join(f"{key}={value}" for key, value in self.chosen.options.items())
            lines.append(f"options for `zoo run` in {self.file}: {options}")
        return lines


def check(report: TuneReport) -> None:
    """Raises AccuracyGateError if the limit is not reached."""
    if not report.reached:
        what = f"no trial drops by {report.max_drop:g} or less"
        step = "allow more, leave more speed (--max-speed-cost), or try another --backend"
        raise AccuracyGateError(what, where="--max-drop", next=step)


def optimism(
    reference: NDArray[np.float64], rows: Sequence[NDArray[np.float64]], drops: Sequence[float]
) -> float | None:
    """By how much the least of several drops is expected to understate the chosen trial's own.

    `reference` and `rows` are a metric on the same halves of the images, float64 [repeats]; `drops`
    those on all of them. Halves drawn without replacement vary about their mean as a new data set
    of full size would (see `zoo_core.pipeline.resampling`): on each, the trial that drops least is
    chosen, and what it drops less there than on all images is averaged. After the bootstrap's
    optimism of Efron, "Estimating the Error Rate of a Prediction Rule", 1983. None for fewer than
    two trials, or where a metric is undefined on some half.
    """
    if len(rows) < 2 or any(row.shape != reference.shape for row in rows):
        return None
    table = reference - np.stack(rows)
    if not np.isfinite(table).all():
        return None
    noise = table - table.mean(axis=1, keepdims=True)
    chosen = (np.asarray(drops)[:, None] + noise).argmin(axis=0)
    return float(0.0 - noise[chosen, np.arange(noise.shape[1])].mean())


def speed_doubts(report: TuneReport) -> list[str]:
    """A warning where the chosen build, against fp32 itself, keeps less of the gain than allowed.

    Each step was within the limit against the plain build: speeds that contradict each other come
    from a machine that was busy.
    """
    gain, speed = report.gain, report.speed
    if gain is None or speed is None or gain.verdict != FASTER:
        return []
    cost = (gain.speedup - speed.speedup) / (gain.speedup - 1)
    if cost <= report.max_speed_cost:
        return []
    told = f"measured against fp32, the chosen build loses {cost:.0%} of the gain in speed"
    beside = "" if report.chosen.cost is None else f", not {report.chosen.cost:.0%}"
    return [f"{told}{beside}: the machine was busy; measure with `zoo bench --vs :fp32` when idle"]


def _way(trial: Trial) -> str:
    drop = trial.drop or 0.0
    return f"drops by {drop:.4f}" if drop >= 0 else f"gains {-drop:.4f}"


def _span(trial: Trial) -> str:
    if trial.low is None or trial.high is None:
        return " (no interval)"
    return f" ({CONFIDENCE:.0%}: {trial.low:+.4f} to {trial.high:+.4f})"


def _row(trial: Trial, chosen: Trial) -> tuple[str, ...]:
    mark = trial.refused or (
        "chosen" if trial.options == chosen.options and trial.name != PLAIN else ""
    )
    if trial.drop is None or trial.value is None:
        return (trial.name, "-", "-", "-", "-", mark)
    bounds = "-" if trial.low is None else f"{trial.low:+.4f} to {trial.high:+.4f}"
    cost = "-" if trial.cost is None else f"{trial.cost:.0%}"
    return (trial.name, f"{trial.value:.4f}", f"{trial.drop:+.4f}", bounds, cost, mark)


def measured(report: TuneReport, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the file of options says of how they were found."""
    rows = {"plain": report.plain, "tuned": report.chosen}
    names = ("value", "drop", "low", "high", "verdict")
    figures = {key: {name: getattr(trial, name) for name in names} for key, trial in rows.items()}
    speeds = {"plain": report.gain, "tuned": report.speed}
    return {
        "metric": report.metric,
        "images": report.images,
        "fp32": report.reference,
        **figures,
        "optimism": report.optimism,
        "times_as_fast_as_fp32": {k: s.speedup for k, s in speeds.items() if s},
        **kept,
    }
