"""Earlier runs on this machine, one JSON object a line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from zoo_core.system.files import add_json_line, read_json_lines
from zoo_core.system.paths import home

if TYPE_CHECKING:
    from zoo_core.reporting.report import BenchReport, ReportHeader, RunReport

_FILE = "runs.jsonl"
_SPEED = ("median_ms", "images_per_second")
_TEXTS = ("when", "model", "backend", "device", "precision", "output")


def remember(report: RunReport | BenchReport) -> str:
    """Add a run or a benchmark; returns a warning if that fails, as its results are written."""
    head, speed = report.header, report.benchmark and report.benchmark.figures
    row = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **conditions(head),
        "images": getattr(report, "images", 0),
        "assets": head.assets.to_data(),
        "protocol": head.protocol.name if head.protocol else "",
        "metrics": getattr(report, "metrics", None),
        "speed": speed
        and dict(zip(_SPEED, (speed.latency_ms["median"], speed.throughput), strict=True)),
        "output": head.output,
    }
    try:
        add_json_line(home() / _FILE, row)
    except OSError as error:
        return f"`zoo runs` will not list this run: {home() / _FILE}: {error.strerror}"
    return ""


def conditions(head: ReportHeader) -> dict[str, Any]:
    """The part of a row that a speed depends on."""
    return {
        "model": head.model,
        "name": head.name,
        "backend": head.backend,
        "device": head.device,
        "precision": head.precision,
        "batch": head.batch,
        "size": list(head.size),
        "options": dict(head.options),
    }


def remembered() -> list[dict[str, Any]]:
    """Earlier runs, the oldest first; damaged lines are left out."""
    return [row for row in read_json_lines(home() / _FILE) if _is_whole(row)]


def _is_whole(row: dict[str, Any]) -> bool:
    texts = all(isinstance(row.get(key), str) for key in _TEXTS)
    metrics, assets = row.get("metrics", ()), row.get("assets")
    figures = metrics is None or (
        isinstance(metrics, dict)
        and all(value is None or isinstance(value, int | float) for value in metrics.values())
    )
    speed = row.get("speed")
    known = speed is None or (isinstance(speed, dict) and all(_is_speed(speed, k) for k in _SPEED))
    return texts and figures and known and isinstance(assets, dict) and "weights" in assets


def _is_speed(speed: dict[str, Any], key: str) -> bool:
    return isinstance(speed.get(key), int | float)
