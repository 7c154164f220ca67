"""A run that is killed at any moment and started again ends like one that was left alone.

ZOO_TEST_KILLS is the number of kills, for a long test by hand.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("ZOO_TEST_KILLS", "5"))
KILLS_A_HOME = 5
COMMAND = (
    *(sys.executable, "-m", "zoo_core", "eval", "toy-detector", "--backend", "toy"),
    *("--assets", "sample", "--precision", "int8", "--output", "out"),
)
CHANGING = {"when", "stages", "output", "manifest", "began", "ended"}


def start(home: Path) -> subprocess.Popen[bytes]:
    env = {**os.environ, "ZOO_HOME": str(home / "home"), "ZOO_OFFLINE": "1"}
    env["ZOO_PLUGINS"] = "zoo_core.testing.toy"
    home.mkdir(exist_ok=True)
    return subprocess.Popen(
        COMMAND,
        cwd=home,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(home: Path) -> None:
    with start(home) as running:
        _, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors.decode()


def results(home: Path) -> dict[str, Any]:
    """Every file of the run folder and of the store, without times and places."""
    found: dict[str, Any] = {}
    for path in sorted((home / "out").rglob("*")):
        if path.is_file():
            name = path.relative_to(home).as_posix()
            found[name] = path.read_bytes().replace(str(home).encode(), b"")
    report = json.loads(found.pop("out/report.json"))
    found["report"] = {key: value for key, value in report.items() if key not in CHANGING}
    for name in ("report.md", "log.txt", "manifest.json"):
        assert found.pop(f"out/{name}")
    for path in (home / "home" / "store" / "entries").glob("*/*/manifest.json"):
        outputs = json.loads(path.read_bytes())["outputs"]
        found[path.parent.name] = {name: facts["sha256"] for name, facts in outputs.items()}
    return found


def left_over(home: Path) -> list[Path]:
    store = home / "home" / "store"
    old = [*home.rglob(".zoo-*.part"), *(store / "work").glob("*")]
    return [path for path in old if path.exists()]


@pytest.mark.slow
def test_a_run_that_was_killed_ends_like_one_that_was_not(tmp_path: Path) -> None:
    home = tmp_path / "home"  # always the same place: records name the images' paths
    begin = time.monotonic()
    finish(home)
    duration = time.monotonic() - begin
    expected = results(home)
    chance = random.Random(12)
    killed = 0
    for number in range(KILLS):
        if number % KILLS_A_HOME == 0:
            shutil.rmtree(home)
        with start(home) as running:
            time.sleep(chance.uniform(0, duration))
            if running.poll() is None:
                killed += 1
                os.killpg(running.pid, signal.SIGKILL)
        if number % KILLS_A_HOME == KILLS_A_HOME - 1 or number == KILLS - 1:
            time.sleep(1.1)  # a temporary folder that was made just now may be another process's
            finish(home)
            assert results(home) == expected, f"kill {number}"
            assert left_over(home) == [], f"kill {number}"
    assert killed > KILLS // 4
