"""Reports of runs, benchmarks and predictions: typed, written as JSON, read back from folders."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoo_core.benchmark.breakdown import Breakdown
from zoo_core.benchmark.compare import VersusFigures
from zoo_core.benchmark.result import Figures
from zoo_core.benchmark.sweep import SweepResult
from zoo_core.benchmark.text import lines, row
from zoo_core.benchmark.trace import OperatorTable
from zoo_core.errors import DataError
from zoo_core.reporting.comparison import ComparisonRow, RefusedRow
from zoo_core.reporting.gates import rows as gate_rows
from zoo_core.reporting.gates.rows import GateRow
from zoo_core.reporting.run_folder import BENCH_REPORT, REPORT
from zoo_core.system.files import read_limited
from zoo_core.system.record import Parts, Record
from zoo_core.system.terminal import titled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets(Record):
    """Where weights and data come from: published, given, random or sample; None: no data."""

    weights: str
    data: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolRecord(Record):
    """The protocol of a run; `unknown` names the fields that are assumed."""

    name: str
    base: str | None = None
    hash: str
    values: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord(Record):
    """One stage: whether its result came from the store, else the seconds it took."""

    name: str
    key: str
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Subset(Record):
    """A part of a data set: of how many images, and a digest of the choice."""

    of: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRecord(Record):
    """A JSON object of a plugin with keys of its own, all of which are kept in `document`."""

    document: Mapping[str, Any]

    def to_data(self) -> dict[str, Any]:
        """The object as the plugin wrote it."""
        return dict(self.document)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The fields that zoo knows, and the whole object."""
        return super(OpenRecord, cls).from_data({**data, "document": data})


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionReport(OpenRecord):
    """What a compiler did; the nodes are None where its tools do not report them."""

    requested: str
    int8_nodes: int | None
    float_nodes: int | None
    float_node_names: tuple[str, ...]
    tool: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(OpenRecord):
    """The largest differences of an export from its network; None where they are not known."""

    max_abs: float | None
    max_rel: float | None
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReport(OpenRecord):
    """What a vendor's own profiler reports; `failure` says why it could not."""

    name: str
    failure: str = ""
    figures: Mapping[str, Any] | None = None
    invariants: tuple[Any, ...] = ()

    def lines(self) -> list[str]:
        """Its figures, and how many of its checks hold."""
        if self.failure:
            return [f"profiler {self.name} failed: {self.failure}"]
        figures = self.figures
        if figures is None:
            figures = {k: v for k, v in self.document.items() if k not in ("name", "files")}
        shown = {k: value for k, value in figures.items() if isinstance(value, int | float | str)}
        width = max(map(len, shown), default=0)
        rows = [f"  {key:<{width}}  {value}" for key, value in shown.items()]
        checks = [item for item in self.invariants if isinstance(item, dict)]
        results = [bool(item["ok"]) for item in checks if item.get("ok") is not None]
        total = [row("checks", f"{sum(results)} of {len(results)} hold")] if results else []
        return [f"profiler {self.name}", *rows, *total]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedReport(Record):
    """A benchmark's figures, the facts of its device, and the block of text made of its samples."""

    figures: Figures
    device_facts: Mapping[str, object] = field(default_factory=dict)
    block: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """The `benchmark` object of reports."""
        return {
            **self.figures.to_data(),
            "device_facts": dict(self.device_facts),
            "block": list(self.block),
            "lines": self.lines(),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_data`."""
        return super(SpeedReport, cls).from_data({**data, "figures": Figures.from_data(data)})

    def lines(self) -> list[str]:
        """The figures for a terminal."""
        return lines(self.figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHeader(Record):
    """What was run, on what, and from what: the part that all reports share.

    `size` is (height, width); `output` the run folder. What a kind of report does not state is
    empty when it is read back.
    """

    parts: ClassVar[Parts] = {"assets": Assets, "protocol": ProtocolRecord, "stages": StageRecord}

    when: str = ""
    model: str
    name: str = ""
    task: str = ""
    backend: str
    device: str
    emulated: bool = False
    precision: str
    batch: int = 1
    size: tuple[int, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    assets: Assets
    protocol: ProtocolRecord | None = None
    stages: tuple[StageRecord, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    output: str

    @property
    def title(self) -> str:
        """The name, and of the user's own weights the card that they were run as."""
        return titled(self.name or self.model, self.model)


_HEADER = (
    *("when", "model", "name", "task", "backend", "device", "emulated", "precision", "batch"),
    "size",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Record):
    """A header and what one command adds to it; `keys` are those of the JSON form, in order."""

    parts: ClassVar[Parts] = {"header": ReportHeader}
    schema: ClassVar[str] = ""
    keys: ClassVar[tuple[str, ...]] = ()

    header: ReportHeader

    @property
    def warnings(self) -> tuple[str, ...]:
        """What would mislead a reader of the figures, one sentence each."""
        return self.header.warnings

    def with_warnings(self, *warnings: str) -> Self:
        """The report with further warnings."""
        header = replace(self.header, warnings=(*self.warnings, *warnings))
        return replace(self, header=header)

    def to_data(self) -> dict[str, Any]:
        """The JSON form, by the schema that it names."""
        data = Record.to_data(self)
        data = {"schema": self.schema, **data.pop("header"), **data, "lines": self.lines()}
        return {key: data[key] for key in self.keys}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_data`."""
        return super(Report, cls).from_data({**data, "header": data})

    def lines(self) -> list[str]:
        """What the JSON form holds as lines."""
        return []

    def figures(self) -> dict[str, object]:
        """A few figures by name, for a glance."""
        return {}

    def _repr_html_(self) -> str:
        """The header and the figures as a table, for notebooks."""
        head = self.header
        rows = {
            "model": head.title,
            "backend": f"{head.backend}/{head.device}" + " (emulated)" * head.emulated,
            "precision": head.precision,
            "weights": head.assets.weights,
            "protocol": head.protocol.name if head.protocol else "-",
            "folder": head.output,
            **self.figures(),
        }
        cells = (f"<tr><th>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items())
        return f"<table>{''.join(cells)}</table>"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport(Report):
    """The report of `zoo run` and `zoo eval`; metrics are fractions, None where undefined.

    `intervals` maps a metric to its bounds, with the keys `confidence` and `method`.
    """

    schema: ClassVar[str] = "zoo.run/1"
    keys: ClassVar[tuple[str, ...]] = (
        *("schema", *_HEADER, "assets", "provenance", "protocol", "dataset", "images", "subset"),
        *(
            "metrics",
            "intervals",
            "metric_lines",
            "per_class",
            "benchmark",
            "stages",
            "precision_report",
        ),
        *("comparison", "not_comparable", "gates", "verify", "warnings", "manifest", "versions"),
        "output",
    )
    parts: ClassVar[Parts] = {
        **Report.parts,
        "subset": Subset,
        "benchmark": SpeedReport,
        "precision_report": PrecisionReport,
        "comparison": ComparisonRow,
        "not_comparable": RefusedRow,
        "gates": GateRow,
        "verify": Verification,
    }

    provenance: Mapping[str, str]
    dataset: str | None
    images: int
    subset: Subset | None
    metrics: Mapping[str, float | None] | None
    intervals: Mapping[str, Any] | None = None
    metric_lines: tuple[str, ...] = ()
    per_class: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    benchmark: SpeedReport | None
    precision_report: PrecisionReport | None
    comparison: tuple[ComparisonRow, ...]
    not_comparable: tuple[RefusedRow, ...]
    gates: tuple[GateRow, ...] = ()
    verify: Verification | None
    manifest: str

    def figures(self) -> dict[str, object]:
        """The metrics, and the throughput."""
        known = {name: f"{v:.4f}" for name, v in (self.metrics or {}).items() if v is not None}
        speed = self.benchmark and {"images/s": f"{self.benchmark.figures.throughput:.2f}"}
        return {"images": self.images, **known, **(speed or {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport(Report):
    """The report of `zoo bench`; what was not measured is None."""

    schema: ClassVar[str] = "zoo.bench/1"
    keys: ClassVar[tuple[str, ...]] = (
        *("schema", *(key for key in _HEADER if key != "task"), "options", "assets"),
        *("benchmark", "breakdown", "versus", "profile", "profiler", "sweep", "gates"),
        *("lines", "warnings", "stages", "versions", "output"),
    )
    parts: ClassVar[Parts] = {
        **Report.parts,
        "benchmark": SpeedReport,
        "breakdown": Breakdown,
        "versus": VersusFigures,
        "profile": OperatorTable,
        "profiler": ToolReport,
        "sweep": SweepResult,
        "gates": GateRow,
    }

    benchmark: SpeedReport | None = None
    breakdown: Breakdown | None = None
    versus: VersusFigures | None = None
    profile: OperatorTable | None = None
    profiler: ToolReport | None = None
    sweep: SweepResult | None = None
    gates: tuple[GateRow, ...] = ()

    def lines(self) -> list[str]:
        """Each part for a terminal; of an emulated device each line says so."""
        head, swept = self.header, self.sweep
        parts = (swept, self.benchmark, self.breakdown, self.versus, self.profile, self.profiler)
        texts = [part.lines() for part in parts if part]
        if swept:
            missing = (f"  {name}: {head.backend} has no such option" for name in swept.left_out)
            texts.insert(1, list(missing))
        elif self.benchmark:
            texts.append(list(self.benchmark.block))
        flat = [line for text in texts for line in text] + gate_rows.lines(self.gates)
        if not head.emulated:
            return flat
        first = f"{head.title} on {head.device}: nothing is timed, there is no speed"
        return [f"emulated: {line}" for line in [first, *flat]]

    def figures(self) -> dict[str, object]:
        """Median and throughput."""
        if self.benchmark is None:
            return {}
        figures = self.benchmark.figures
        return {"median": f"{figures.latency_ms['median']} ms", "images/s": figures.throughput}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow(Record):
    """One image: its picture, how many objects were found (None: not counted), and in words.

    For detections the highest score comes first: `boxes` are xyxy in pixels of the image as it was
    read (upright, unless the card ignores EXIF), `labels` names. They are None for other tasks.
    """

    image: str = ""
    picture: str
    id: int | str
    found: int | None
    told: str = ""
    boxes: tuple[list[float], ...] | None = None
    scores: tuple[float, ...] | None = None
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictReport(Report):
    """The report of `zoo predict`; pictures show what scores above `show_conf`."""

    schema: ClassVar[str] = "zoo.predict/1"
    keys: ClassVar[tuple[str, ...]] = (
        *("schema", "model", "name", "backend", "device", "emulated", "precision", "assets"),
        "protocol",
        *("show_conf", "images", "lines", "warnings", "output"),
    )
    parts: ClassVar[Parts] = {**Report.parts, "images": ImageRow}

    show_conf: float
    images: tuple[ImageRow, ...]

    def to_data(self) -> dict[str, Any]:
        """The JSON form; of the protocol only name and hash."""
        data = Report.to_data(self)
        return {**data, "protocol": {key: data["protocol"][key] for key in ("name", "hash")}}

    def lines(self) -> list[str]:
        """One line for each image."""
        return [": ".join(filter(None, (image.picture, image.told))) for image in self.images]

    def figures(self) -> dict[str, object]:
        """How many images were looked at."""
        return {"images": len(self.images)}


_NO_REPORT = (
    *(DataError, ValueError, LookupError, TypeError, AttributeError),
    *(StopIteration, RecursionError),
)
_KINDS = (RunReport, BenchReport, PredictReport)


def load(folder: Path) -> RunReport | BenchReport | PredictReport:
    """The report in a run folder; raises DataError where there is none that zoo can read."""
    for path in (folder / REPORT, folder / BENCH_REPORT):
        if not path.is_file():
            continue
        try:
            data = json.loads(read_limited(path))
            kind = next(kind for kind in _KINDS if kind.schema == data["schema"])
            return kind.from_data(data)
        except _NO_REPORT:
            raise DataError("cannot be read as a report of zoo", where=str(path)) from None
    step = f"name a folder that holds {REPORT} or {BENCH_REPORT}"
    raise DataError("holds no report", where=str(folder), next=step)
