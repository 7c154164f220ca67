"""Two or more runs side by side: what differs in the figures, how surely, and in what went in."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from zoo_core.errors import DataError, some
from zoo_core.pipeline.resampling import CONFIDENCE, paired_interval
from zoo_core.reporting.run_folder import REPORT, RESAMPLES
from zoo_core.system.terminal import columns, printable, titled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.reporting.gates.rows import GateRow
    from zoo_core.reporting.report import RunReport

    Samples = Mapping[str, NDArray[np.float64]]

SCHEMA = "zoo.compare/1"
_WORST = 5
"""How many classes the terminal shows."""

_MOST = 1e12
"""No figure is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRun:
    """A run folder's report, and its metrics on halves of the images; empty where it has none."""

    folder: Path
    report: RunReport
    samples: Samples = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> ScoredRun:
        """Raises DataError for a folder without the whole report of a run that was scored."""
        from zoo_core.reporting.report import RunReport, load

        report = load(folder)
        if not isinstance(report, RunReport) or not report.metrics:
            what = "holds no accuracy to compare"
            raise DataError(what, where=str(folder), next="name folders of `zoo run` or `zoo eval`")
        if not _is_whole(report):
            raise DataError("is damaged", where=str(folder / REPORT), next="run it again")
        path = folder / RESAMPLES
        return cls(folder=folder, report=report, samples=read_samples(path))

    @property
    def title(self) -> str:
        """What ran, on what."""
        head = self.report.header
        return f"{titled(head.name, head.model)} {head.precision} on {head.backend}/{head.device}"

    def to_data(self) -> dict[str, Any]:
        """The row of the JSON form."""
        head = self.report.header
        return {
            "run": str(self.folder),
            "model": head.model,
            "name": head.name,
            "backend": head.backend,
            "device": head.device,
            "precision": head.precision,
            "protocol": head.protocol.name if head.protocol else None,
            "images": self.report.images,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What must be equal where figures are compared; `content` is the data set with its digest."""

    task: str
    protocol: Mapping[str, Any]
    content: str
    dataset: str | None
    images: int

    @classmethod
    def of(cls, report: RunReport) -> Conditions:
        """Those of a report."""
        head = report.header
        return cls(
            task=head.task,
            protocol=dict(head.protocol.values) if head.protocol else {},
            content=report.provenance.get("data", ""),
            dataset=report.dataset,
            images=report.images,
        )


def read_samples(path: Path) -> Samples:
    """Metrics on halves of the images, by name; empty where there is no such file.

    Raises DataError for a damaged one.
    """
    if not path.exists():
        return {}
    try:
        with path.open("rb") as stream, np.lib.npyio.NpzFile(stream) as file:
            found = {name: np.asarray(file[name]) for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        step = "run it again; without this file a difference has no interval"
        raise DataError("cannot be read as figures", where=str(path), next=step) from error
    for name, values in found.items():
        if values.dtype.kind != "f" or values.ndim != 1 or not values.size:
            what = f"holds no row of figures for {printable(name)}"
            raise DataError(what, where=str(path), next="run it again")
    return found


def _is_whole(report: RunReport) -> bool:
    """Whether what is compared is of the types that zoo writes."""
    head, metrics, classes = report.header, report.metrics, report.per_class
    values = head.protocol.values if head.protocol else {}
    tables = (metrics, classes, values, head.options, head.versions, report.provenance)
    if not all(isinstance(table, Mapping) for table in tables):
        return False
    rows = (metrics, *classes.values())
    texts = (head.model, head.backend, head.device, head.precision)
    further = (*head.versions.values(), *report.provenance.values())
    return (
        all(isinstance(row, Mapping) and all(map(_is_figure, row.values())) for row in rows)
        and all(isinstance(text, str) for text in (*texts, *further))
        and isinstance(head.size, tuple)
    )


def _is_figure(value: object) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) <= _MOST)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A metric of each run, and the last run's minus the first's with its interval."""

    metric: str
    values: tuple[float | None, ...]
    difference: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_decided(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and self.low * self.high > 0

    def to_data(self) -> dict[str, Any]:
        """The row of the JSON form."""
        bounds = {"difference": self.difference, "low": self.low, "high": self.high}
        return {
            "metric": self.metric,
            "values": list(self.values),
            **bounds,
            "confidence": CONFIDENCE if self.low is not None else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareReport:
    """What `zoo compare` says; `why` is why the figures may not be compared."""

    runs: tuple[ScoredRun, ...]
    why: tuple[str, ...]
    metrics: tuple[Difference, ...]
    classes: tuple[Difference, ...]
    inputs: tuple[tuple[str, tuple[str, ...]], ...]
    gates: tuple[GateRow, ...] = ()

    @property
    def sentence(self) -> str:
        """The first metric's difference in words."""
        first, last = self.runs[0], self.runs[-1]
        if self.why:
            return f"not comparable: {'; '.join(self.why)}"
        row = self.metrics[0]
        if row.difference is None:
            return f"{row.metric} is not defined in each run"
        names = _names(first, last)
        if row.difference == row.low == row.high == 0 or (row.low is None and not row.difference):
            return f"{row.metric} does not differ: {row.values[0]:.4f}"
        verb = "gains" if row.difference > 0 else "loses"
        amount = f"{abs(row.difference) * 100:.1f}"
        if row.low is None or row.high is None:
            return f"{names} {verb} {amount} {row.metric}, with no interval"
        half = (row.high - row.low) / 2 * 100
        bounds = f"{CONFIDENCE:.0%}: {row.low * 100:+.1f} to {row.high * 100:+.1f}"
        told = f"{names} {verb} {amount} +- {half:.1f} {row.metric} ({bounds})"
        images = f"{first.report.images} images"
        return told if row.is_decided else f"{told}: not decided by {images}"

    def to_data(self) -> dict[str, Any]:
        """The document `zoo.compare/1`; metrics are fractions."""
        return {
            "schema": SCHEMA,
            "comparable": not self.why,
            "why": list(self.why),
            "runs": [run.to_data() for run in self.runs],
            "metrics": [row.to_data() for row in self.metrics],
            "classes": [row.to_data() for row in self.classes],
            "inputs": [{"what": what, "values": list(values)} for what, values in self.inputs],
            "speed": [_speed(run.report) for run in self.runs],
            "gates": [row.to_data() for row in self.gates],
            "sentence": self.sentence,
        }

    def lines(self) -> list[str]:
        """For a terminal: the runs, the metrics, the classes that differ most, what went in."""
        numbers = [f"run {number}" for number in range(1, len(self.runs) + 1)]
        runs = [(number, *_described(run)) for number, run in zip(numbers, self.runs, strict=True)]
        lines = columns(("", "run", "images", "p50 ms", "images/s", "folder"), runs)
        head = ("metric", *numbers, "difference", f"{CONFIDENCE:.0%} interval", "")
        lines += ["", *columns(head, [_row(row) for row in self.metrics])]
        changed = [row for row in self.classes if row.difference]
        worst = sorted(changed, key=lambda row: row.difference or 0)[:_WORST]
        if worst:
            head = ("class", *head[1:])
            lines += ["", *columns(head, [_row(row) for row in worst])]
        if self.inputs:
            rows = [(what, *values) for what, values in self.inputs]
            lines += ["", *columns(("what differs", *numbers), rows)]
        told = (row.line() for row in self.gates)
        return [*(line.rstrip() for line in lines), "", *told, self.sentence]


def compare_runs(runs: Sequence[ScoredRun]) -> CompareReport:
    """The runs side by side; differences are the last run's minus the first's."""
    reports = [Conditions.of(run.report) for run in runs]
    why = tuple(dict.fromkeys(text for other in reports[1:] for text in unlike(reports[0], other)))
    first = runs[0].report
    names = list(first.metrics or {})
    classes = {name: list(row) for name, row in first.per_class.items()}
    rows = [(f"{metric}/{name}", name, metric) for name, own in classes.items() for metric in own]
    return CompareReport(
        runs=tuple(runs),
        why=why,
        metrics=tuple(_difference(name, runs, bool(why)) for name in names),
        classes=tuple(
            _difference(key, runs, bool(why), (name, metric))
            for key, name, metric in rows
            if key in runs[0].samples
        ),
        inputs=tuple(_inputs(runs)),
    )


def _difference(
    key: str, runs: Sequence[ScoredRun], unlike: bool, of_class: tuple[str, str] | None = None
) -> Difference:
    values = tuple(_value(run.report, key, of_class) for run in runs)
    if unlike:
        return Difference(metric=key, values=values)
    before, after = (run.samples.get(key) for run in (runs[0], runs[-1]))
    return change_of(key, values, before, after, runs[0].report.images)


def change_of(
    metric: str,
    values: tuple[float | None, ...],
    before: NDArray[np.float64] | None,
    after: NDArray[np.float64] | None,
    images: int,
) -> Difference:
    """The last value minus the first, and its interval from their figures on the same halves."""
    first, last = values[0], values[-1]
    if first is None or last is None:
        return Difference(metric=metric, values=values)
    change = last - first
    low, high = paired_interval(change, before, after, images) or (None, None)
    return Difference(metric=metric, values=values, difference=change, low=low, high=high)


def _value(report: RunReport, key: str, of_class: tuple[str, str] | None) -> float | None:
    if of_class is None:
        return (report.metrics or {}).get(key)
    name, metric = of_class
    return report.per_class.get(name, {}).get(metric)


def unlike(one: Conditions, two: Conditions) -> Iterator[str]:
    """Why the figures of two runs may not be compared."""
    if one.task != two.task:
        yield f"the tasks are {one.task} and {two.task}"
        return
    before, after = one.protocol, two.protocol
    unequal = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    if unequal:
        rows = [f"{key} {before.get(key)} and {after.get(key)}" for key in unequal]
        yield f"the protocols differ: {some(rows)}"
    if one.content != two.content:
        counts = f"{one.images} and {two.images} images"
        yield f"the data sets or subsets differ: {counts} of {one.dataset} and {two.dataset}"


def _inputs(runs: Sequence[ScoredRun]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What went into the runs and is not equal: settings, digests, versions."""
    tables = [_facts(run.report) for run in runs]
    for key in dict.fromkeys(key for table in tables for key in table):
        values = tuple(table.get(key, "-") for table in tables)
        if len(set(values)) > 1:
            yield key, values


def _facts(report: RunReport) -> dict[str, str]:
    head = report.header
    settings = {
        "model": head.model,
        "backend": head.backend,
        "device": head.device,
        "precision": head.precision,
        "batch": str(head.batch),
        "size": "x".join(map(str, head.size)),
        **{f"option {key}": str(value) for key, value in head.options.items()},
    }
    digests = {key: _short(text) for key, text in report.provenance.items() if key != "when"}
    return {**settings, **digests, **{f"version {k}": v for k, v in head.versions.items()}}


def _short(text: str) -> str:
    """A text with digests cut to twelve digits."""
    return " ".join(word[:12] if len(word) >= 40 else word for word in text.split())


def _speed(report: RunReport) -> dict[str, Any] | None:
    if report.benchmark is None:
        return None
    figures = report.benchmark.figures
    return {"median_ms": figures.latency_ms["median"], "throughput": figures.throughput}


def _described(run: ScoredRun) -> tuple[str, ...]:
    speed = _speed(run.report)
    times = (f"{speed['median_ms']:.2f}", f"{speed['throughput']:.1f}") if speed else ("-", "-")
    return (run.title, str(run.report.images), *times, str(run.folder))


def _names(first: ScoredRun, last: ScoredRun) -> str:
    """What the last run is called: by what differs from the first one."""
    one, two = first.report.header, last.report.header
    for key in ("precision", "backend", "name", "device"):
        if getattr(one, key) != getattr(two, key):
            return str(getattr(two, key))
    return "the last run"


def _row(row: Difference) -> tuple[str, ...]:
    values = ("-" if value is None else f"{value:.4f}" for value in row.values)
    change = "-" if row.difference is None else f"{row.difference:+.4f}"
    if row.low is None or row.high is None:
        return (row.metric, *values, change, "-", "")
    bounds = f"{row.low:+.4f} to {row.high:+.4f}"
    return (row.metric, *values, change, bounds, "" if row.is_decided else "not decided")
