"""Preview of a plan: cached stages, stages to run and why, expected time and download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.pipeline.durations import Durations
    from zoo_core.pipeline.plan import Plan, PlannedStage
    from zoo_core.pipeline.store import Store

_WORTH_SAYING = 0.5
"""Seconds below which the summary tells no time."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A row per stage, and sums. `seconds` is None if a stage to run has no known duration."""

    rows: list[dict[str, Any]]
    download_bytes: int
    seconds: float | None

    @property
    def missing(self) -> int:
        """Number of stages that will run."""
        return len([row for row in self.rows if not row["cached"]])

    @property
    def notices(self) -> list[str]:
        """What a person should know before the missing stages run."""
        return [row["notice"] for row in self.rows if row["notice"]]

    def line(self) -> str:
        """The summary that a run prints first."""
        if not self.missing:
            return f"{counted(len(self.rows), 'stage')}, all cached"
        parts = [f"{counted(len(self.rows), 'stage')}, {self.missing} to run"]
        if self.download_bytes:
            parts.append(f"{self.download_bytes / 1e6:.0f} MB to download")
        known = [s for row in self.rows if (s := row["expected_seconds"]) is not None]
        open_ = self.missing - len(known)
        if not known:
            parts.append("no times known yet")
        elif open_ or sum(known) >= _WORTH_SAYING:
            rest = f" and {counted(open_, 'stage')} whose time is not known yet" if open_ else ""
            parts.append(f"about {sum(known):.0f} s{rest}")
        return ", ".join(parts)


def preview(plan: Plan, store: Store, durations: Durations, explain: bool) -> Preview:
    """Look up each key; `explain` also lists what differs from the nearest earlier result."""
    rows: list[dict[str, Any]] = []
    for item in plan:
        cached = store.get(item.key) is not None
        expected = None if cached else durations.seconds(item.stage)
        rows.append(
            {
                "name": item.stage.name,
                "key": item.key,
                "cached": cached,
                "expected_seconds": expected and round(expected, 1),
                "notice": "" if cached else item.stage.notice,
                "changed": [] if cached or not explain else _changed(item, store),
            }
        )
    missing = [row for row in rows if not row["cached"]]
    unknown = any(row["expected_seconds"] is None for row in missing)
    total = None if unknown else sum(row["expected_seconds"] for row in missing)
    names = {row["name"] for row in missing}
    download = sum(item.stage.download for item in plan if item.stage.name in names)
    return Preview(rows, download, total)


def _changed(item: PlannedStage, store: Store) -> list[str]:
    """Key parts that differ from the stage's nearest earlier result on the same model, if any."""
    model = item.stage.subject.partition(":")[0]
    parts = [
        entry.manifest["parts"]
        for entry in store.entries()
        if entry.manifest.get("name") == item.stage.name
        and str(entry.manifest.get("subject", "")).partition(":")[0] == model
    ]
    nearest: list[str] = min((_paths(old, item.parts) for old in parts), key=len, default=[])
    return sorted(nearest)


def _paths(before: Any, after: Any, path: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = set(before) | set(after)
        return [p for key in keys for p in _inner(before, after, str(key), path)]
    return [] if before == after else [path]


def _inner(before: Mapping[str, Any], after: Mapping[str, Any], key: str, path: str) -> list[str]:
    return _paths(before.get(key), after.get(key), f"{path}.{key}" if path else key)
