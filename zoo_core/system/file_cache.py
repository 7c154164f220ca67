"""A cache of values derived from files, invalidated by size, inode and times."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING
from zlib import crc32

from zoo_core.errors import DataError
from zoo_core.system.files import check_regular
from zoo_core.system.paths import cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_TABLE = """CREATE TABLE IF NOT EXISTS checked
    (kind TEXT, path BLOB, stamp TEXT, value TEXT, crc INTEGER, PRIMARY KEY (kind, path))"""
_BATCH = 500
_TICK_NS = 100_000_000  # a file changed twice within a tick of the clock has the same times


def file_digest_cached(path: Path) -> str:
    """The sha256 of one file; see `file_digests`."""
    return file_digests([path])[0]


def file_digests(paths: Iterable[Path]) -> list[str]:
    """The sha256 of each file; see `cached_values`."""
    from zoo_core.system.hashing import file_digest

    return cached_values("sha256", paths, file_digest)


def cached_values(kind: str, paths: Iterable[Path], read: Callable[[Path], str]) -> list[str]:
    """`read` of each file, called only where its size, inode or times have changed.

    `kind` keeps values of different readers apart. Raises DataError where a file is missing or
    cannot be read. Where the cache cannot be used (a full disk, a damaged file) all are read again.
    """
    past = time.time_ns() - _TICK_NS
    files = [(os.fsencode(path.absolute()), path, _stamp(path)) for path in paths]
    cached = _load(kind, [name for name, _, _ in files])
    fresh: dict[bytes, tuple[str, str]] = {}
    values = []
    for name, path, stamp in files:
        row = cached.get(name)
        if row is None or row[0] != stamp:
            with _read_errors(path):
                row = cached[name] = fresh[name] = (stamp, read(path))
        values.append(row[1])
    _save(kind, {name: row for name, row in fresh.items() if _changed_ns(row[0]) < past})
    return values


def _load(kind: str, names: list[bytes]) -> dict[bytes, tuple[str, str]]:
    """Stamp and value of the files that are in the cache."""
    try:
        with _open() as base:
            return _select(base, kind, names)
    except sqlite3.OperationalError:
        return {}
    except sqlite3.DatabaseError:
        _file().unlink(missing_ok=True)
        return {}


def _select(
    base: sqlite3.Connection, kind: str, names: list[bytes]
) -> dict[bytes, tuple[str, str]]:
    """One query for many files: a data set has thousands, and planning asks for all of them."""
    rows: dict[bytes, tuple[str, str]] = {}
    for start in range(0, len(names), _BATCH):
        batch = names[start : start + _BATCH]
        marks = ",".join("?" * len(batch))
        query = f"SELECT path, stamp, value, crc FROM checked WHERE kind=? AND path IN ({marks})"
        for name, stamp, value, crc in base.execute(query, [kind, *batch]):
            if crc == _crc(kind, name, stamp, value):  # else the row is damaged
                rows[name] = (stamp, value)
    return rows


def _crc(kind: str, name: bytes, stamp: str, value: str) -> int:
    return crc32(repr((kind, name, stamp, value)).encode("utf-8", "surrogatepass"))


def _save(kind: str, fresh: Mapping[bytes, tuple[str, str]]) -> None:
    rows = [(kind, name, *row, _crc(kind, name, *row)) for name, row in fresh.items()]
    if rows:
        with suppress(sqlite3.DatabaseError), _open() as base:
            base.executemany("INSERT OR REPLACE INTO checked VALUES (?, ?, ?, ?, ?)", rows)
            base.commit()


@contextmanager
def _open() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(_file(), timeout=30)) as base:
        base.execute(_TABLE)
        yield base


def _file() -> Path:
    return cache("facts") / "files.sqlite"


def _stamp(path: Path) -> str:
    stat = check_regular(path)
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def _changed_ns(stamp: str) -> int:
    return int(stamp.split()[2])


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
