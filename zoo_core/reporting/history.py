"""Earlier runs on this machine, one JSON object a line."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

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
    path = home() / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


def remembered() -> list[dict[str, Any]]:
    """Earlier runs, the oldest first."""
    try:
        text = (home() / _FILE).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [row for row in map(_row, text.splitlines()) if row]


def _row(line: str) -> dict[str, Any] | None:
    """A line; None for one that a full disk or a killed process has cut off."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
