"""A disk that is full from any moment on is one line; the next run ends like one without trouble.

ZOO_TEST_FULL_DISK=1 tries every moment, for a long test by hand.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Outcome, Zoo

STEP = 1 if os.environ.get("ZOO_TEST_FULL_DISK") else 17
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
COMMAND = ("eval", "toy-detector", "--backend", "toy", "--assets", "sample", "--output", "out")


class Disk:
    """Refuses every write below a folder from the n-th on; it never ends, so it can be idle."""

    def __init__(self) -> None:
        self.root, self.left, self.seen = "", sys.maxsize, 0
        sys.addaudithook(self._audit)

    def watch(self, root: Path, left: int) -> None:
        self.root, self.left, self.seen = str(root), left, 0

    def idle(self) -> None:
        self.root, self.left = "", sys.maxsize

    def _audit(self, event: str, values: tuple[Any, ...]) -> None:
        if not self.root or event not in ("open", "os.mkdir", "os.rename", "os.symlink"):
            return
        if event == "open" and not (isinstance(values[2], int) and values[2] & WRITES):
            return
        place = os.fsdecode(values[0]) if isinstance(values[0], str | bytes | os.PathLike) else ""
        if not place.startswith(self.root) or place.endswith(".lock"):
            return
        self.seen += 1
        if self.seen > self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)


@pytest.fixture(scope="module")
def disk() -> Disk:
    return Disk()


def run(zoo: Zoo, home: Path, monkeypatch: pytest.MonkeyPatch, disk: Disk, left: int) -> Outcome:
    """With a disk that takes `left` writes."""
    monkeypatch.setenv("ZOO_HOME", str(home / "home"))
    (home / "work").mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(home / "work")
    disk.watch(home, left)
    try:
        return zoo(*COMMAND)
    finally:
        disk.idle()


def predictions(home: Path) -> dict[str, bytes]:
    out = home / "work" / "out"
    files = [path for path in out.rglob("*") if path.suffix == ".txt" and path.name != "log.txt"]
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(files)}


@pytest.mark.slow
def test_a_full_disk_is_one_line_at_every_write(
    zoo: Zoo, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    place = tmp_path / "home"
    assert run(zoo, place, monkeypatch, disk, sys.maxsize).code == 0
    writes, expected = disk.seen, predictions(place)
    assert writes > 50
    assert expected
    for left in range(0, writes, STEP):
        shutil.rmtree(place)
        done = run(zoo, place, monkeypatch, disk, left)
        told = done.stderr.rstrip().splitlines()[-1]
        if done.code:
            assert done.code == 6, f"after {left}: {done}"
            assert told.startswith("zoo: "), f"after {left}: {done}"
            assert "disk is full" in told or "No space left" in told, f"after {left}: {done}"
        else:
            assert "No space left" in done.stderr, f"after {left}: {done}"
            assert predictions(place) == expected, f"after {left}"
        done = run(zoo, place, monkeypatch, disk, sys.maxsize)
        assert done.code == 0, f"after {left}: {done.stderr}"
        assert predictions(place) == expected, f"after {left}"
