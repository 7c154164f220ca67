"""Locks between processes that say who holds them."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from filelock import BaseFileLock

_FIRST, _LATER = 2.0, 60.0
"""Seconds of waiting after which it is said who is waited for, and then again."""


@contextmanager
def held(path: Path, tell: Callable[[str], object]) -> Iterator[None]:
    """Holds the lock file `path`, whose folder is made; waits for as long as another holds it.

    `tell` hears after two seconds of waiting, and then every minute, whom it waits for and what can
    be done.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    for seconds in chain([_FIRST], repeat(_LATER)):
        with suppress(Timeout):
            lock.acquire(timeout=seconds)
            break
        tell(f"waiting for {holder(path)}")
    with _signed(lock, path):
        yield


@contextmanager
def held_or_none(path: Path) -> Iterator[bool]:
    """Holds the lock file, or yields False where another holds it; the file goes at the end."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    with _signed(lock, path):
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def holder(path: Path) -> str:
    """Who holds a lock file, since when, and what can be done if it does not end."""
    try:
        owner = json.loads(_note(path).read_bytes())
        pid, host, began = int(owner["pid"]), str(owner["host"]), float(owner["began"])
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
    since = time.strftime("%H:%M:%S", time.localtime(began))
    if host != platform.node():
        return f"process {pid} on {host}, which began at {since}"
    stopped = _is_stopped(pid)
    step = f"continue it with `kill -CONT {pid}`, or end it" if stopped else "if it hangs, end it"
    state = ", and is stopped" if stopped else ""
    return f"process {pid}, which began at {since}{state}; {step} with `kill -9 {pid}`"


@contextmanager
def _signed(lock: BaseFileLock, path: Path) -> Iterator[None]:
    """Leaves a note of this process beside an acquired lock, and releases it at the end."""
    note = _note(path)
    try:
        with suppress(OSError):
            owner = {"pid": os.getpid(), "host": platform.node(), "began": time.time()}
            note.write_text(json.dumps(owner), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)
        lock.release()


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.owner")


def _is_stopped(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False
