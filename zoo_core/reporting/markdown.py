"""A report as a Markdown page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.reporting.terminal import heading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def markdown(report: Mapping[str, Any]) -> str:
    """The page: what was run, accuracy, precision, speed, comparison, stages, versions."""
    parts = [f"# {report['model']} on {report['backend']}, {report['precision']}", heading(report)]
    if report["warnings"]:
        parts.append("\n".join(f"- **{text}**" for text in report["warnings"]))
    if report["metric_lines"]:
        parts.append("## Accuracy\n\n" + _code(report["metric_lines"]))
    parts.append(f"## Provenance\n\n{_pairs({'when': report['when'], **report['provenance']})}")
    parts.append("## Protocol\n\n" + _pairs(report["protocol"]["values"]))
    if report["precision_report"]:
        parts.append("## Precision\n\n" + _pairs(_precision(report["precision_report"])))
    if report["verify"]:
        parts.append("## Export against its source\n\n" + _pairs(_short(report["verify"])))
    if report["benchmark"]:
        parts.append("## Speed\n\n" + _code(report["benchmark"].get("lines", [])))
    parts.append("## Published figures\n\n" + _published(report))
    rows = [
        (s["name"], s["key"][:12], "yes" if s["cached"] else "no", f"{s['seconds']:.2f}")
        for s in report["stages"]
    ]
    parts.append("## Stages\n\n" + _table(("stage", "key", "cached", "seconds"), rows))
    parts.append("## Versions\n\n" + _pairs(report["versions"]))
    return "\n\n".join(parts) + "\n"


def _published(report: Mapping[str, Any]) -> str:
    head = ("metric", "measured", "published", "difference", "precision", "device", "from")
    keys = ("metric", "measured", "published", "difference", "precision", "device", "provenance")
    rows = [[_cell(row[key]) for key in keys] for row in report["comparison"]]
    refused = [f"- not comparable with `{r['row']}`: {r['why']}" for r in report["not_comparable"]]
    text = _table(head, rows) if rows else "No published row matches all conditions of this run."
    return "\n\n".join([text, "\n".join(refused)] if refused else [text])


def _precision(values: Mapping[str, Any]) -> dict[str, Any]:
    """The plain facts, and the calibrator where there was one."""
    calibrator = values.get("calibration", {}).get("calibrator")
    return {**_short(values), **({"calibrator": calibrator} if calibrator else {})}


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
