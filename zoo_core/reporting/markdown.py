"""A report as a Markdown page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.reporting.terminal import heading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.reporting.report import PrecisionReport, RunReport

_COLUMNS = ("metric", "measured", "published", "difference", "precision", "device", "provenance")


def markdown(report: RunReport) -> str:
    """The page: what was run, accuracy, precision, speed, comparison, stages, versions."""
    head = report.header
    parts = [f"# {head.title} on {head.backend}, {head.precision}", heading(report)]
    if report.warnings:
        parts.append("\n".join(f"- **{text}**" for text in report.warnings))
    if report.metric_lines:
        parts.append("## Accuracy\n\n" + _code(report.metric_lines))
    if report.intervals:
        parts.append(f"## Intervals\n\n{_intervals(report, report.intervals)}")
    parts.append(f"## Provenance\n\n{_pairs({'when': head.when, **report.provenance})}")
    parts.append("## Protocol\n\n" + _pairs(head.protocol.values if head.protocol else {}))
    if report.precision_report:
        parts.append("## Precision\n\n" + _pairs(_precision(report.precision_report)))
    if report.verify:
        parts.append("## Export against its source\n\n" + _pairs(_short(report.verify.document)))
    if report.benchmark:
        parts.append("## Speed\n\n" + _code(report.benchmark.lines()))
    parts.append("## Published figures\n\n" + _published(report))
    if report.gates:
        gates = [(_cell(row.gate), row.verdict, _cell(row.sentence)) for row in report.gates]
        parts.append("## Gates\n\n" + _table(("gate", "verdict", ""), gates))
    rows = [
        (stage.name, stage.key[:12], "yes" if stage.cached else "no", f"{stage.seconds:.2f}")
        for stage in head.stages
    ]
    parts.append("## Stages\n\n" + _table(("stage", "key", "cached", "seconds"), rows))
    parts.append("## Versions\n\n" + _pairs(head.versions))
    return "\n\n".join(parts) + "\n"


def _intervals(report: RunReport, bounds: Mapping[str, Any]) -> str:
    rows = [
        (name, *(f"{figure:.4f}" for figure in (value, *bounds[name])))
        for name, value in (report.metrics or {}).items()
        if value is not None and name in bounds
    ]
    said = f"{bounds['confidence']:.0%}, over {report.images} images: {bounds['method']}."
    return f"{said}\n\n{_table(('metric', 'measured', 'from', 'to'), rows)}"


def _published(report: RunReport) -> str:
    rows = [[_cell(getattr(row, name)) for name in _COLUMNS] for row in report.comparison]
    refused = [f"- not comparable with `{item.row}`: {item.why}" for item in report.not_comparable]
    if report.header.assets.weights == "given" and not rows and not refused:
        return "None is shown: the weights are your own (`--compare-published` compares them)."
    table = _table((*_COLUMNS[:-1], "from"), rows)
    text = table if rows else "No published row matches all conditions of this run."
    return "\n\n".join([text, "\n".join(refused)] if refused else [text])


def _precision(report: PrecisionReport) -> dict[str, Any]:
    """The plain facts, and the calibrator where there was one."""
    calibrator = report.document.get("calibration", {}).get("calibrator")
    return {**_short(report.document), **({"calibrator": calibrator} if calibrator else {})}


def _short(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not isinstance(value, (list, dict))}


def _pairs(values: Mapping[str, Any]) -> str:
    return _table(("", ""), [(key, _cell(value)) for key, value in values.items()])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _code(lines: Sequence[str]) -> str:
    return "```\n" + "\n".join(lines) + "\n```"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value).replace("|", "\\|")
