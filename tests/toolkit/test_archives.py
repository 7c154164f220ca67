"""Unpacking: what comes out, and that hostile archives do nothing."""

from __future__ import annotations

import random
import shutil
import stat
import struct
import zipfile
from collections import namedtuple
from functools import partial
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import DataError
from zoo_core.toolkit.archives import list_zip, unpack_zip

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"val/a.jpg": b"a" * 3000, "val/b.jpg": b"b", "readme.txt": b"", "deep/er/c": b"c" * 10}


def packed(folder: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(folder / "x.zip", "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return folder / "x.zip"


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(folder: Path, path: Path, what: str) -> None:
    with pytest.raises(DataError) as caught:
        unpack_zip(path, folder / "out")
    assert what in str(caught.value)
    assert caught.value.next
    assert [item.name for item in folder.iterdir()] == ["x.zip"]


def test_unpacks_all(tmp_path: Path) -> None:
    seen: list[tuple[float, float]] = []
    path = packed(tmp_path, FILES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.mkdir("empty")
    out = unpack_zip(path, tmp_path / "sub" / "out", progress=lambda *pair: seen.append(pair))
    assert tree(out) == FILES
    assert seen[-1] == (3011, 3011)
    assert {item.name for item in (tmp_path / "sub").iterdir()} == {"out"}
    assert list_zip(path) == {name: len(content) for name, content in FILES.items()}


def test_unpacks_what_is_wanted(tmp_path: Path) -> None:
    out = unpack_zip(packed(tmp_path, FILES), tmp_path / "out", members=["val/b.jpg", "deep/er/c"])
    assert set(tree(out)) == {"val/b.jpg", "deep/er/c"}


def test_a_member_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks 'nope' \(1 missing\)"):
        unpack_zip(packed(tmp_path, FILES), tmp_path / "out", members=["val/b.jpg", "nope"])
    assert not (tmp_path / "out").exists()


def test_permissions_are_plain(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("tool")
    info.external_attr = (stat.S_IFREG | 0o6777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, b"#!/bin/sh")
    out = unpack_zip(tmp_path / "x.zip", tmp_path / "out")
    assert (out / "tool").stat().st_mode & 0o7111 == 0


def test_an_existing_target_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_bytes(b"x")
    with pytest.raises(DataError, match="exists already"):
        unpack_zip(packed(tmp_path, FILES), tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine": b"x"}


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/evil", "//host/evil", "..\\evil", "C:\\evil", "c:evil", ".."],
)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    refused(tmp_path, packed(tmp_path, {"good": b"x", name: b"evil"}), "may lead elsewhere")


def test_a_name_with_a_zero_byte(tmp_path: Path) -> None:
    path = packed(tmp_path, {"good?evil": b"x"})
    path.write_bytes(path.read_bytes().replace(b"good?evil", b"good\0evil"))
    refused(tmp_path, path, "may lead elsewhere")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_links_and_devices(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("innocent")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, b"/etc/passwd")
    refused(tmp_path, tmp_path / "x.zip", "a link or a device")


def test_doubled_names(tmp_path: Path) -> None:
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(tmp_path / "x.zip", "w") as archive,
    ):
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    refused(tmp_path, tmp_path / "x.zip", "twice")


def test_a_file_that_is_also_a_folder(tmp_path: Path) -> None:
    refused(tmp_path, packed(tmp_path, {"a": b"1", "a/b": b"2"}), "as a file and as a folder")


def test_encrypted(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a": b"1"}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refused(tmp_path, path, "encrypted")


def test_a_bomb(tmp_path: Path) -> None:
    refused(tmp_path, packed(tmp_path, {"zeros": b"\0" * (20 << 20)}), "would unpack")


def test_overlapping_entries_count_once(tmp_path: Path) -> None:
    """Many entries that share the same packed bytes: the sum of packed sizes exceeds the file."""
    block = b"\0" * (1 << 20)
    path = packed(tmp_path, {f"{number:02}": block for number in range(24)})
    content = path.read_bytes()
    first_entry_only = _share_the_first(content, 24)
    path.write_bytes(first_entry_only)
    with pytest.raises(DataError):
        unpack_zip(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _share_the_first(content: bytes, count: int) -> bytes:
    second = content.index(b"PK\x03\x04", 4)
    begin = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    directory = bytearray(content[begin:end])
    at = 0
    for _ in range(count):
        directory[at + 42 : at + 46] = struct.pack("<I", 0)
        at = directory.find(b"PK\x01\x02", at + 4)
    tail = bytearray(content[end:])
    tail[16:20] = struct.pack("<I", second)
    return content[:second] + bytes(directory) + bytes(tail)


def test_more_than_the_disk_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 0, (64 << 20) + 3010))
    refused(tmp_path, packed(tmp_path, FILES), "needs 3,011 bytes of disk")


def test_small_archives_are_free_of_the_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path, {"zeros": b"\0" * 100_000})
    monkeypatch.setattr("zoo_core.toolkit.archives._RATIO", 5)
    unpack_zip(path, tmp_path / "whole")
    monkeypatch.setattr("zoo_core.toolkit.archives._FREE_OF_RATIO", 1000)
    with pytest.raises(DataError, match="would unpack"):
        unpack_zip(path, tmp_path / "out")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"<html>" + b" " * 100,
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"b", b"c", 1),
    ],
)
def test_spoilt(tmp_path: Path, spoil: object) -> None:
    path = packed(tmp_path, {"x": b"b" * 5000}, zipfile.ZIP_STORED)
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    refused(tmp_path, path, "not a valid zip")


METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@pytest.mark.parametrize("method", METHODS)
def test_a_corrupted_entry(tmp_path: Path, method: int) -> None:
    path = packed(tmp_path, {"x": bytes(range(256)) * 20}, method)
    content = bytearray(path.read_bytes())
    for place in range(60, 70):
        content[place] ^= 0xFF
    path.write_bytes(content)
    refused(tmp_path, path, "is not a valid zip: ")


def test_a_name_in_no_encoding(tmp_path: Path) -> None:
    path = packed(tmp_path, {"\N{SNOWMAN}": b"x"})
    path.write_bytes(path.read_bytes().replace("\N{SNOWMAN}".encode(), b"\xff\xff\xff"))
    refused(tmp_path, path, "is not a valid zip: ")
    with pytest.raises(DataError, match="is not a valid zip: "):
        list_zip(path)


@pytest.mark.parametrize("method", METHODS)
def test_whatever_is_damaged_is_told_in_one_line(tmp_path: Path, method: int) -> None:
    """Flips bits anywhere: what does not unpack is a DataError, and nothing stays behind."""
    chance = random.Random(method)
    path = packed(tmp_path, {"a/\N{SNOWMAN}": chance.randbytes(40) + b"a" * 200, "b": b""}, method)
    sound = path.read_bytes()
    told = 0
    for _ in range(150):
        content = bytearray(sound)
        for _ in range(chance.choice((1, 2, 4))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        for use in (list_zip, partial(unpack_zip, target=tmp_path / "out")):
            try:
                use(path)
            except DataError as error:
                line = str(error)
                told += 1
                assert "\n" not in line
                assert "Success" not in line
                assert str(path) in line
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        assert [item.name for item in tmp_path.iterdir()] == ["x.zip"]
    assert told > 100


def test_an_entry_that_holds_less_than_it_declares(tmp_path: Path) -> None:
    path = packed(tmp_path, {"x": b"b" * 50}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", 60)
    path.write_bytes(content)
    refused(tmp_path, path, "not a valid zip")


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        unpack_zip(tmp_path / "none.zip", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack_zip(packed(tmp_path, FILES), tmp_path / "out", progress=interrupt)
    assert [item.name for item in tmp_path.iterdir()] == ["x.zip"]


def test_full_disk_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path, FILES)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipExtFile, "read", full)
    refused(tmp_path, path, "the disk is full")


def test_an_entry_that_asks_for_too_much_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path, FILES)

    def greedy(*_: object) -> int:
        raise MemoryError

    monkeypatch.setattr(zipfile.ZipExtFile, "read", greedy)
    refused(tmp_path, path, "asks for more memory")
