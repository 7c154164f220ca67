"""Locks between processes: who waits is told for whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from zoo_core.system import locks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDS = """
import sys, time
from pathlib import Path
from zoo_core.system.locks import held
with held(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "a.lock"


@pytest.fixture
def other(place: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDS, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


class Told(list[str]):
    """Ends the other process once it has heard enough."""

    def __init__(self, process: subprocess.Popen[str], enough: int) -> None:
        self._process, self._enough = process, enough

    def __call__(self, text: str) -> None:
        self.append(text)
        if len(self) == self._enough:
            self._process.kill()


def test_it_is_said_who_is_waited_for_and_then_again(
    place: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_FIRST", 0.2)
    monkeypatch.setattr(locks, "_LATER", 0.3)
    told, start = Told(other, 3), time.monotonic()
    with locks.held(place, told):
        assert time.monotonic() - start >= 0.8
    assert len(told) == 3
    assert told[0].startswith(f"waiting for process {other.pid}, which began at ")
    assert told[0].endswith(f"; if it hangs, end it with `kill -9 {other.pid}`")


def test_a_stopped_process_is_named_as_such(
    place: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_FIRST", 0.2)
    os.kill(other.pid, signal.SIGSTOP)
    told = Told(other, 1)
    with locks.held(place, told):
        pass
    assert ", and is stopped; continue it with `kill -CONT " in told[0]


def test_a_free_lock_says_nothing_and_leaves_no_note(place: Path) -> None:
    told: list[str] = []
    with locks.held(place, told.append):
        assert f"process {os.getpid()}, " in locks.holder(place)
    assert told == []
    assert locks.holder(place) == "another process"
    assert [path.name for path in place.parent.iterdir()] == ["a.lock"]


def test_what_another_holds_is_not_waited_for_if_so_asked(
    place: Path, other: subprocess.Popen[str]
) -> None:
    with locks.held_or_none(place) as mine:
        assert not mine
        assert str(other.pid) in locks.holder(place)
    other.kill()
    other.wait()
    with locks.held_or_none(place) as mine:
        assert mine
    assert list(place.parent.iterdir()) == []
