from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from zoo_core.api import Stage
from zoo_core.pipeline.durations import Durations

if TYPE_CHECKING:
    from pathlib import Path


def stage(run: str = "zoo_a.stages:work", cost: float = 1.0, subject: str = "") -> Stage:
    return Stage(name="work", run=run, cost=cost, subject=subject)


def journal(tmp_path: Path) -> Durations:
    return Durations(tmp_path / "deep" / "journal.jsonl")


def test_nothing_is_expected_of_what_was_never_seen(tmp_path: Path) -> None:
    assert journal(tmp_path).seconds(stage()) is None


def test_seconds_grow_with_the_cost(tmp_path: Path) -> None:
    notes = journal(tmp_path)
    notes.add(stage(cost=10), "key", 5.0)
    assert notes.seconds(stage(cost=200)) == pytest.approx(100.0)


def test_the_median_of_the_last_nine_is_told(tmp_path: Path) -> None:
    notes = journal(tmp_path)
    for seconds in [900.0, 900.0, *range(1, 10)]:
        notes.add(stage(), "key", seconds)
    assert notes.seconds(stage()) == pytest.approx(5.0)


def test_stages_are_told_apart_by_what_they_run(tmp_path: Path) -> None:
    notes = journal(tmp_path)
    notes.add(stage("zoo_a.stages:quick"), "key", 1.0)
    notes.add(stage("zoo_a.stages:slow"), "key", 60.0)
    assert notes.seconds(stage("zoo_a.stages:quick")) == pytest.approx(1.0)
    assert notes.seconds(stage("zoo_a.stages:slow")) == pytest.approx(60.0)


def test_a_model_is_estimated_by_its_own_runs(tmp_path: Path) -> None:
    """A small network says nothing about a large one that runs the same function."""
    notes = journal(tmp_path)
    for _ in range(9):
        notes.add(stage(cost=100, subject="small 320x320 a:fp32/cpux1"), "key", 1.0)
    large = stage(cost=100, subject="large 416x416 a:fp32/cpux1")
    assert notes.seconds(large) is None
    notes.add(large, "key", 60.0)
    assert notes.seconds(large) == pytest.approx(60.0)
    assert notes.seconds(stage(cost=100, subject="small 320x320 a:int8/cpux1")) == 1.0
    assert notes.seconds(stage(cost=100, subject="large 608x608 a:fp32/cpux1")) is None


def test_the_same_target_goes_before_others_of_the_model(tmp_path: Path) -> None:
    notes = journal(tmp_path)
    notes.add(stage(subject="m 320x320 a:fp32/cpux1"), "key", 9.0)
    notes.add(stage(subject="m 320x320 a:int8/cpux1"), "key", 3.0)
    assert notes.seconds(stage(subject="m 320x320 a:int8/cpux1")) == 3.0
    assert notes.seconds(stage(subject="m 320x320 b:fp16/cpux1")) == 6.0


def test_other_models_count_where_they_agree(tmp_path: Path) -> None:
    notes = journal(tmp_path)
    notes.add(stage(subject="one 320x320 t"), "key", 1.0)
    notes.add(stage(subject="two 320x320 t"), "key", 2.0)
    assert notes.seconds(stage(subject="new 320x320 t")) == 1.5
    notes.add(stage(subject="two 416x416 t"), "key", 3.5)
    assert notes.seconds(stage(subject="new 320x320 t")) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"run": "zoo_a.stages:work", "cost": 1.0, "sec',
        b'{"run": "zoo_a.stages:work", "cost": 1.0}',
        b'{"run": "zoo_a.stages:work", "cost": 0, "seconds": 3}',
        b'{"run": "zoo_a.stages:work", "cost": "1", "seconds": 3}',
        b'{"cost": 1.0, "seconds": 3}',
        b"[1, 2]",
        b"\xff\xfe",
        b"",
    ],
)
def test_a_line_that_is_not_whole_is_passed_over(tmp_path: Path, line: bytes) -> None:
    notes = journal(tmp_path)
    notes.add(stage(), "key", 2.0)
    path = tmp_path / "deep" / "journal.jsonl"
    path.write_bytes(path.read_bytes() + line + b"\n")
    assert notes.seconds(stage()) == pytest.approx(2.0)
    notes.add(stage(), "key", 4.0)
    assert notes.seconds(stage()) == pytest.approx(3.0)


PROCESS = """
import sys
from pathlib import Path
from zoo_core.pipeline.durations import Durations
from zoo_core.api import Stage
for number in range(100):
    stage = Stage(name="work", run=f"zoo_a.stages:{number}")
    Durations(Path(sys.argv[1])).add(stage, "k" * 64, float(sys.argv[2]))
"""


def test_lines_of_two_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    both = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(path), seconds], env=surroundings)
        for seconds in ("1.0", "3.0")
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(path.read_text().splitlines()) == 200
    notes = Durations(path)
    for number in range(100):
        assert notes.seconds(stage(f"zoo_a.stages:{number}")) == pytest.approx(2.0)
