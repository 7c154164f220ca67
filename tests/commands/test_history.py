"""The history of runs, where it cannot be written."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

from zoo_core.system.paths import home

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from zoo_core.testing.fixtures import Zoo


def test_a_whole_run_folder_stays_where_only_the_history_cannot_be_written(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_report: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    monkeypatch.setattr("zoo_core.commands.run.remember", full)
    arguments = ("toy-detector", "--backend", "toy", "--assets", "sample", "--no-bench")
    done = zoo("run", *arguments, "--output", "out")
    assert done.code == 6
    assert f"{home()}: the disk is full" in done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["images"] == 4
