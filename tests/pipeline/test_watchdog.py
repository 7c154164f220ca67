from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from zoo_core.pipeline.watchdog import watching

if TYPE_CHECKING:
    from pathlib import Path


def test_silence_is_told_with_the_stacks_of_all_threads(tmp_path: Path) -> None:
    stall, log = threading.Event(), tmp_path / "log.txt"
    seconds: list[float] = []

    def stalled(silent: float) -> None:
        seconds.append(silent)
        stall.set()

    with watching(log, stalled, limit=0.02):
        assert stall.wait(10)

    assert seconds[0] >= 0.02
    assert "test_silence_is_told" in log.read_text(encoding="utf-8")


def test_work_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    seconds: list[float] = []
    with watching(log, seconds.append, limit=60) as beat:
        for _ in range(100):
            beat()
    assert not seconds
    assert not log.exists()


def test_the_watch_ends_with_the_work() -> None:
    before = threading.active_count()
    with watching(None, lambda _: None):  # type: ignore[arg-type]
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_process_that_hangs_at_its_end_is_ended_and_shows_where() -> None:
    code = (
        "import atexit, threading\n"
        "from zoo_core.pipeline.watchdog import guard_exit\n"
        "atexit.register(threading.Event().wait)\n"
        "guard_exit(0.2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "Timeout" in done.stderr
    assert "threading.py" in done.stderr


def test_an_interpreter_that_stands_still_shows_where_its_stage_is(tmp_path: Path) -> None:
    """A native call that keeps the lock silences every Python thread."""
    code = (
        "import ctypes, sys, pathlib\n"
        "from zoo_core.pipeline import watchdog\n"
        "watchdog.STUCK_SECONDS = 0.2\n"
        "def stand():\n"
        "    ctypes.PyDLL(None).usleep(900_000)\n"
        "with watchdog.watching(pathlib.Path(sys.argv[1]), lambda _: None):\n"
        "    stand()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "in stand" in done.stderr
