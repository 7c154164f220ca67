"""A report as lines for the terminal: what was scored, how fast it ran, what it compares with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.system.tables import columns

if TYPE_CHECKING:
    from collections.abc import Mapping


def terminal_lines(report: Mapping[str, Any]) -> list[str]:
    """The evaluator's lines, the precision that was reached, the benchmark, the comparison."""
    lines = [heading(report), *report["metric_lines"]]
    if report["precision_report"]:
        lines.append(_precision(report["precision_report"]))
    if report["benchmark"]:
        lines += report["benchmark"].get("lines", [])
    lines += comparison_lines(report)
    lines += [f"warning: {text}" for text in report["warnings"]]
    lines.append(f"report: {report['output']}")
    return lines


def heading(report: Mapping[str, Any]) -> str:
    """One line that says what the figures are of; a sample or an emulated run says so first."""
    sample = report["assets"]["weights"] == "sample"
    first = "EMULATED, not the device: " if report["emulated"] else ""
    first += "SAMPLE RUN, not the published model: " if sample else ""
    size = "x".join(map(str, report["size"]))
    what = f"{report['model']} {report['precision']} {size} on {report['backend']}"
    data = f"{report['images']} images of {report['dataset']}" if report["images"] else "no images"
    name = report["protocol"]["name"]
    return f"{first}{what}/{report['device']}, {data}, protocol {name}"


def comparison_lines(report: Mapping[str, Any]) -> list[str]:
    """A table of the rows that match, and one line for each that does not."""
    rows = [
        (
            row["metric"],
            _figure(row["measured"]),
            _figure(row["published"]),
            _figure(row["difference"], "+"),
            row["device"],
            row["provenance"],
        )
        for row in report["comparison"]
    ]
    table = columns(("metric", "measured", "published", "difference", "device", "from"), rows)
    if report["assets"]["weights"] == "sample":
        return ["not compared with published figures: a sample run"]
    refused = [f"not comparable with {r['row']}: {r['why']}" for r in report["not_comparable"]]
    return [*(table if rows else []), *refused]


def _precision(report: Mapping[str, Any]) -> str:
    asked = f"precision: asked for {report['requested']}"
    if report["float_nodes"] is None:
        return f"{asked}; which nodes are in int8 is not told by {report['tool']}"
    floats = ", ".join(report["float_node_names"][:6])
    more = "" if len(report["float_node_names"]) <= 6 else ", ..."
    kept = f" (float: {floats}{more})" if report["int8_nodes"] and floats else ""
    counts = f"{report['int8_nodes']} nodes in int8, {report['float_nodes']} in float{kept}"
    return f"{asked}; {counts}; {report['tool']}"


def _figure(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.4f}"
