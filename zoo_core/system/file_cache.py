"""What is known of files, remembered as long as their size, inode and times stand."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from zoo_core.errors import DataError
from zoo_core.system.paths import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_TABLE = """CREATE TABLE IF NOT EXISTS facts
    (kind TEXT, path BLOB, stamp TEXT, value TEXT, PRIMARY KEY (kind, path))"""
_BATCH = 500
_TICK_NS = 100_000_000  # a file changed twice within a tick of the clock has the same times


def file_digest_cached(path: Path) -> str:
    """The sha256 of one file; see `file_digests`."""
    return file_digests([path])[0]


def file_digests(paths: Iterable[Path]) -> list[str]:
    """The sha256 of each file; see `file_facts`."""
    from zoo_core.system.hashing import file_digest

    return file_facts("sha256", paths, file_digest)


def file_facts(kind: str, paths: Iterable[Path], read: Callable[[Path], str]) -> list[str]:
    """What `read` says of each file, called only when its size, inode or times have changed.

    `kind` tells facts of different readers apart. Raises DataError where a file is missing or
    cannot be read. What cannot be remembered (a full disk, a damaged cache) is read again the next
    time.
    """
    settled = time.time_ns() - _TICK_NS
    wanted = [(os.fsencode(path.absolute()), path, _stamp(path)) for path in paths]
    known = _recall(kind, [name for name, _, _ in wanted])
    fresh: dict[bytes, tuple[str, str]] = {}
    values = []
    for name, path, stamp in wanted:
        seen = known.get(name)
        if seen is None or seen[0] != stamp:
            seen = known[name] = fresh[name] = (stamp, _read(path, read))
        values.append(seen[1])
    _remember(kind, {name: seen for name, seen in fresh.items() if _changed(seen[0]) < settled})
    return values


def _recall(kind: str, names: list[bytes]) -> dict[bytes, tuple[str, str]]:
    try:
        with _open() as base:
            return _known(base, kind, names)
    except sqlite3.OperationalError:
        return {}
    except sqlite3.DatabaseError:
        _file().unlink(missing_ok=True)
        return {}


def _remember(kind: str, fresh: Mapping[bytes, tuple[str, str]]) -> None:
    rows = [(kind, name, *seen) for name, seen in fresh.items()]
    if rows:
        with suppress(sqlite3.DatabaseError), _open() as base:
            base.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", rows)
            base.commit()


@contextmanager
def _open() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(_file(), timeout=30)) as base:
        base.execute(_TABLE)
        yield base


def _file() -> Path:
    return folder("facts") / "files.sqlite"


def _changed(stamp: str) -> int:
    return int(stamp.split()[2])


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def _read(path: Path, read: Callable[[Path], str]) -> str:
    try:
        return read(path)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _known(base: sqlite3.Connection, kind: str, names: list[bytes]) -> dict[bytes, tuple[str, str]]:
    known: dict[bytes, tuple[str, str]] = {}
    for start in range(0, len(names), _BATCH):
        part = names[start : start + _BATCH]
        marks = ",".join("?" * len(part))
        query = f"SELECT path, stamp, value FROM facts WHERE kind = ? AND path IN ({marks})"
        rows = base.execute(query, [kind, *part])
        known.update({row[0]: (row[1], row[2]) for row in rows})
    return known
