"""A whole run whose stages travel: each in a worker process of its own, with the same results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.commands import workspace
from zoo_core.pipeline.runners import WorkerRunner
from zoo_core.pipeline.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo

COMMAND = (
    *("run", "yolov4-tianxiaomo", "--precision", "int8", "--no-bench"),
    *("--limit", "6", "--calibration-images", "4", "--json", "-"),
)
OF_A_RUN = ("when", "output", "manifest", "stages")
"""Keys of a report that say when, where and how fast."""


def run(zoo: Zoo) -> dict[str, Any]:
    done = zoo(*COMMAND)
    assert done.code == 0, done.stderr
    report: dict[str, Any] = done.json
    return report


def stored(home: Path) -> dict[str, dict[str, Any]]:
    """The digests of all outputs of all stages, by key."""
    return {entry.key: dict(entry.manifest["outputs"]) for entry in Store(home / "store").entries()}


@pytest.mark.slow
def test_every_stage_in_a_process_of_its_own_makes_the_same(
    zoo: Zoo, zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = run(zoo)
    zoo_home.rename(tmp_path / "before")  # records name images by their path in the store
    monkeypatch.setattr(workspace, "LocalRunner", lambda store, *_: WorkerRunner(store, fresh=True))
    there = run(zoo)

    assert [row["key"] for row in here["stages"]] == [row["key"] for row in there["stages"]]
    assert not any(row["cached"] for row in there["stages"])
    assert stored(tmp_path / "before") == stored(zoo_home)
    for key in OF_A_RUN:
        del here[key], there[key]
    assert json.dumps(here) == json.dumps(there)
