"""A run as lines for the terminal: what will be run, what was scored, what it compares with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.reporting.gates.rows import lines as gate_lines
from zoo_core.system.terminal import columns, titled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.planning.build import Run
    from zoo_core.reporting.report import PrecisionReport, Report, RunReport

_SAMPLE = "SAMPLE RUN"
_SHOWN = 3
"""How many metrics' intervals a terminal shows."""


def first_line(planned: Run, why: str = "") -> str:
    """What will be run, on which weights; `why` says why the sample stands in, if known."""
    resolved, target = planned.resolved, planned.resolved.target
    called = titled(resolved.name, resolved.card.id)
    what = f"{called} {target.precision} on {target.backend}/{target.device}"
    if resolved.weights.kind == "given":
        return f"{what}, weights given by hand"
    if resolved.weights.is_bundled and resolved.weights.kind == "published":
        return f"{what}, bundled network"
    if resolved.weights.kind != "sample":
        return f"{what}, {resolved.weights.kind} weights"
    if not why and planned.request.assets == "sample":
        why = "as --assets sample asks"
    why = why or "because the published weights or data are not available offline"
    return f"{_SAMPLE} of {what}: the bundled network on drawn scenes stands in, {why}"


def terminal_lines(report: RunReport) -> list[str]:
    """The evaluator's lines, the precision that was reached, the benchmark, the comparison."""
    lines = [heading(report), *report.metric_lines, *interval_lines(report)]
    if report.precision_report:
        lines.append(_precision(report.precision_report))
    if report.benchmark:
        lines += report.benchmark.lines()
    lines += comparison_lines(report)
    lines += gate_lines(report.gates)
    lines += warning_lines(report.warnings)
    lines.append(f"report: {report.header.output}")
    return lines


def report_lines(report: Report) -> list[str]:
    """A benchmark or predictions, and the warnings."""
    return [*report.lines(), *warning_lines(report.warnings)]


def warning_lines(warnings: Iterable[str]) -> list[str]:
    """How a terminal shows warnings."""
    return [f"warning: {text}" for text in warnings]


def heading(report: RunReport) -> str:
    """One line that says what the figures are of; a sample or an emulated run says so first."""
    head = report.header
    first = "EMULATED, not the device: " if head.emulated else ""
    first += f"{_SAMPLE}, not the published model: " if head.assets.weights == "sample" else ""
    size = "x".join(map(str, head.size))
    data = f"{report.images} images of {report.dataset}" if report.images else "no images"
    protocol = head.protocol.name if head.protocol else "-"
    what = f"{head.title} {head.precision} {size} on {head.backend}/{head.device}"
    return f"{first}{what}, {data}, protocol {protocol}"


def interval_lines(report: RunReport) -> list[str]:
    """Between which bounds the first metrics are, and what these images cannot tell apart."""
    rows = report.intervals or {}
    names = [name for name in report.metrics or {} if name in rows]
    if not names:
        return []
    bounds = [f"{name} {rows[name][0]:.3f} to {rows[name][1]:.3f}" for name in names[:_SHOWN]]
    half = (rows[names[0]][1] - rows[names[0]][0]) / 2
    first = f"{rows['confidence']:.0%} intervals over images: {', '.join(bounds)}"
    return [f"{first} ({report.images} images tell {names[0]} to +-{half:.3f})"]


def comparison_lines(report: RunReport) -> list[str]:
    """A table of the rows that match, and one line for each that does not."""
    if report.header.assets.weights == "sample":
        return ["not compared with published figures: a sample run"]
    rows = [
        (
            row.metric,
            _figure(row.measured),
            _figure(row.published),
            _figure(row.difference, "+"),
            row.device,
            row.provenance,
        )
        for row in report.comparison
    ]
    table = columns(("metric", "measured", "published", "difference", "device", "from"), rows)
    refused = [f"not comparable with {item.row}: {item.why}" for item in report.not_comparable]
    return [*(table if rows else []), *refused]


def _precision(report: PrecisionReport) -> str:
    requested = f"precision: asked for {report.requested}"
    if report.float_nodes is None:
        return f"{requested}; {report.tool} does not report which nodes are int8"
    floats = ", ".join(report.float_node_names[:6])
    more = "" if len(report.float_node_names) <= 6 else ", ..."
    kept = f" (float: {floats}{more})" if report.int8_nodes and floats else ""
    counts = f"{report.int8_nodes} nodes in int8, {report.float_nodes} in float{kept}"
    return f"{requested}; {counts}; {report.tool}"


def _figure(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.4f}"
