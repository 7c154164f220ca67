"""Earlier runs on this machine, one JSON object a line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from zoo_core.system.files import add_json_line, read_json_lines
from zoo_core.system.paths import home

if TYPE_CHECKING:
    from zoo_core.reporting.report import RunReport

_FILE = "runs.jsonl"


def remember(report: RunReport) -> None:
    """Add a run; raises OSError."""
    head = report.header
    row = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "model": head.model,
        "backend": head.backend,
        "device": head.device,
        "precision": head.precision,
        "images": report.images,
        "assets": head.assets.to_data(),
        "protocol": head.protocol.name if head.protocol else "",
        "metrics": report.metrics,
        "output": head.output,
    }
    add_json_line(home() / _FILE, row)


def remembered() -> list[dict[str, Any]]:
    """Earlier runs, the oldest first."""
    return read_json_lines(home() / _FILE)
