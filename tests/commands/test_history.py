"""The history of runs, where it cannot be written."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.system.paths import home

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EISDIR])
def test_a_run_succeeds_where_only_the_history_cannot_be_written(
    code: int, zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_path: Any, _row: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    monkeypatch.setattr("zoo_core.reporting.history.add_json_line", refused)
    arguments = ("toy-detector", "--backend", "toy", "--assets", "sample", "--no-bench")
    done = zoo("run", *arguments, "--output", "out")
    assert done.code == 0
    assert f"warning: `zoo runs` will not list this run: {home()}" in done.stderr
    assert "F1 1.00" in done.stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["images"] == 4


def test_damaged_lines_of_the_history_are_left_out(zoo: Zoo) -> None:
    good = {
        **dict.fromkeys(("when", "model", "backend", "device", "precision", "output"), "x"),
        **{"metrics": {"AP": 0.5}, "assets": {"weights": "given"}},
    }
    bad = [{}, {**good, "metrics": {"AP": "0.5"}}, {**good, "assets": None}, {**good, "when": 3}]
    bad += [{**good, "speed": {"median_ms": "1"}}]
    home().mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in [*bad, good])
    (home() / "runs.jsonl").write_text(lines + "[" * 5000)
    done = zoo("runs", "--json")
    assert done.code == 0
    assert json.loads(done.stdout)["runs"] == [good]


def test_a_fresh_home_is_marked_as_a_cache_whatever_the_first_command(
    zoo: Zoo, zoo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    (zoo_home / "network.json").parent.mkdir(parents=True, exist_ok=True)
    (zoo_home / "network.json").write_text("{}")  # as `zoo models` leaves it
    assert (
        zoo("eval", "toy-detector", "--backend", "toy", "--assets", "sample", "-o", "o").code == 0
    )
    assert (zoo_home / "CACHEDIR.TAG").is_file()


def test_benchmarks_are_listed_with_their_speed(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    asked = ("toy-detector", "--backend", "toy", "--assets", "sample")
    assert zoo("bench", *asked, "--duration", "0.05", "--no-breakdown", "-o", "b").code == 0
    assert zoo("eval", *asked, "-o", "e").code == 0
    speeds = [row["speed"] for row in zoo("runs", "--json").json["runs"]]
    lines = zoo("runs").stdout.splitlines()

    assert speeds[1] is None
    assert f"{speeds[0]['median_ms']:.3f} ms, {speeds[0]['images_per_second']:.2f}" in lines[1]
    assert lines[1].rstrip().endswith("/b")
    assert "F1 1.0000" in lines[2]
