from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import DataError
from zoo_core.system.file_cache import file_digest_cached, file_digests
from zoo_core.system.hashing import file_digest
from zoo_core.system.paths import cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("zoo_home")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose bytes have been read, in order."""
    seen: list[Path] = []
    real: Callable[[Path], str] = file_digest

    def spy(path: Path) -> str:
        seen.append(path)
        return real(path)

    monkeypatch.setattr("zoo_core.system.hashing.file_digest", spy)
    return seen


def settled(path: Path, data: bytes) -> Path:
    """A file that was changed long enough ago for its times to tell a later change."""
    path.write_bytes(data)
    time.sleep(0.15)
    return path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_read_once(tmp_path: Path, read: list[Path]) -> None:
    path = settled(tmp_path / "a", b"one")
    assert file_digest_cached(path) == sha256(b"one")
    assert file_digest_cached(path) == sha256(b"one")
    assert read == [path]


@pytest.mark.parametrize("data", [b"two", b"longer than before"])
def test_a_changed_file_is_read_again(tmp_path: Path, read: list[Path], data: bytes) -> None:
    path = settled(tmp_path / "a", b"one")
    file_digest_cached(path)
    path.write_bytes(data)
    assert file_digest_cached(path) == sha256(data)
    assert len(read) == 2


def test_old_times_do_not_hide_a_change(tmp_path: Path) -> None:
    path = settled(tmp_path / "a", b"one")
    file_digest_cached(path)
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_digest_cached(path) == sha256(b"two")


def test_a_file_swapped_for_another_is_read_again(tmp_path: Path) -> None:
    path, other = settled(tmp_path / "a", b"one"), settled(tmp_path / "b", b"two")
    assert file_digests([path, other]) == [sha256(b"one"), sha256(b"two")]
    other.rename(path)
    assert file_digest_cached(path) == sha256(b"two")


def test_changes_within_one_tick_of_the_clock_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for number in range(20):
        data = f"{number:03d}".encode()
        path.write_bytes(data)
        assert file_digest_cached(path) == sha256(data)


def test_order_and_repetition(tmp_path: Path, read: list[Path]) -> None:
    one, two = settled(tmp_path / "a", b"one"), settled(tmp_path / "b", b"two")
    paths_twice = [two, one, two]
    expected = [sha256(b"two"), sha256(b"one"), sha256(b"two")]
    assert file_digests(paths_twice) == expected
    assert file_digests(paths_twice) == expected
    assert read == [two, one]
    assert file_digests([]) == []


def test_more_files_than_one_query_takes(tmp_path: Path, read: list[Path]) -> None:
    paths = []
    for number in range(1201):
        path = tmp_path / f"{number}"
        path.write_bytes(str(number).encode())
        paths.append(path)
    time.sleep(0.15)
    first = file_digests(paths)
    assert first == [sha256(str(number).encode()) for number in range(1201)]
    assert file_digests(paths) == first
    assert len(read) == 1201


def test_a_file_name_of_any_bytes(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    path.write_bytes(b"one")
    assert file_digest_cached(path) == sha256(b"one")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file") as caught:
        file_digest_cached(tmp_path / "missing")
    assert caught.value.where == str(tmp_path / "missing")
    with pytest.raises(DataError, match="is a folder"):
        file_digest_cached(tmp_path)


def test_a_damaged_cache_is_made_anew(tmp_path: Path, zoo_home: Path, read: list[Path]) -> None:
    path = settled(tmp_path / "a", b"one")
    file_digest_cached(path)
    (zoo_home / "caches" / "facts" / "files.sqlite").write_bytes(b"not a database" * 100)
    for _ in range(3):
        assert file_digest_cached(path) == sha256(b"one")
    assert len(read) == 2


def test_a_cache_that_cannot_be_written_does_not_stop_anything(
    tmp_path: Path, zoo_home: Path, read: list[Path]
) -> None:
    path = settled(tmp_path / "a", b"one")
    (zoo_home / "caches" / "facts" / "files.sqlite").mkdir(parents=True)
    assert file_digest_cached(path) == sha256(b"one")
    assert file_digest_cached(path) == sha256(b"one")
    assert len(read) == 2


def test_a_full_disk_does_not_stop_anything(
    tmp_path: Path, zoo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settled(tmp_path / "a", b"one")
    real = sqlite3.connect

    def full(database: Path, timeout: float) -> sqlite3.Connection:
        base = real(database, timeout=timeout)
        base.execute("PRAGMA max_page_count = 1")
        return base

    monkeypatch.setattr(sqlite3, "connect", full)
    assert file_digest_cached(path) == sha256(b"one")
    assert (zoo_home / "caches" / "facts" / "files.sqlite").exists()


def test_a_cache_folder_that_cannot_be_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(DataError, match="cannot be created") as caught:
        file_digest_cached(tmp_path / "file")
    assert "ZOO_HOME" in caught.value.next


@pytest.mark.parametrize("damage", ["value = 'aa'", "stamp = NULL", "value = x'ff'", "crc = 1"])
def test_a_damaged_row_is_read_again(tmp_path: Path, read: list[Path], damage: str) -> None:
    path = settled(tmp_path / "a", b"one")
    file_digest_cached(path)
    with closing(sqlite3.connect(cache("facts") / "files.sqlite")) as base:
        base.execute(f"UPDATE checked SET {damage}")
        base.commit()

    assert file_digest_cached(path) == sha256(b"one")
    assert len(read) == 2
    assert file_digest_cached(path) == sha256(b"one")
    assert len(read) == 2
