"""`zoo runs`: earlier runs on this machine."""

from __future__ import annotations

from typing import Any

from zoo_core.cli.listing import (
    print_table,
)
from zoo_core.cli.options import JsonFlag


def runs(as_json: JsonFlag = False) -> int:
    """List earlier runs and benchmarks on this machine."""
    from zoo_core.reporting.history import remembered
    from zoo_core.system.terminal import titled

    rows = remembered()
    table = [
        (
            r["when"],
            titled(str(r.get("name") or r["model"]), r["model"]),
            f"{r['backend']}/{r['device']}",
            r["precision"],
            _first(r),
            r["output"],
        )
        for r in rows
    ]
    head = ("when", "model", "backend", "precision", "figure", "folder")
    return print_table("runs", rows, head, table, as_json)


def _first(row: dict[str, Any]) -> str:
    """The first metric, of a benchmark the speed."""
    for name, value in (row["metrics"] or {}).items():
        if value is not None:
            sample = " (sample)" if row["assets"]["weights"] == "sample" else ""
            return f"{name} {value:.4f}{sample}"
    speed = row.get("speed")
    if speed:
        return f"{speed['median_ms']:.3f} ms, {speed['images_per_second']:.2f} images/s"
    return "-"
