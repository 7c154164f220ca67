"""Darknet's weights: header, views, sizes, and what is refused."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo_core.errors import DataError
from zoo_core.toolkit.darknet_weights import WeightsReader, write_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

VALUES = np.arange(24, dtype=np.float32)


def test_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.weights"
    parts: list[NDArray[Any]] = [VALUES[:4], VALUES[4:].astype(np.float64).reshape(5, 4).T]
    write_weights(path, parts, seen=1 << 40)
    assert path.read_bytes()[:20] == struct.pack("<3iQ", 0, 2, 5, 1 << 40)
    assert [item.name for item in tmp_path.iterdir()] == ["x.weights"]
    reader = WeightsReader(path)
    assert reader.header.size == 20
    assert reader.header.seen == 1 << 40
    assert reader.floats == reader.remaining == 24
    assert np.array_equal(reader.take(4), VALUES[:4])
    assert np.array_equal(reader.take(20), VALUES[4:].reshape(5, 4).T.ravel())
    assert reader.remaining == 0
    reader.finish()


def test_views_are_read_only_and_share_the_map(tmp_path: Path) -> None:
    write_weights(tmp_path / "x.weights", [VALUES])
    view = WeightsReader(tmp_path / "x.weights").take(24)
    assert view.dtype == np.float32
    assert type(view) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


@pytest.mark.parametrize(
    ("version", "size"), [((0, 1, 0), 16), ((0, 2, 0), 20), ((1, 0, 0), 20), ((0, 1001, 5), 20)]
)
def test_header_by_version(tmp_path: Path, version: tuple[int, int, int], size: int) -> None:
    write_weights(tmp_path / "x.weights", [VALUES], version=version, seen=7)
    reader = WeightsReader(tmp_path / "x.weights")
    assert reader.header.size == size
    assert reader.header.seen == 7
    assert np.array_equal(reader.take(24), VALUES)


def test_empty_payload(tmp_path: Path) -> None:
    write_weights(tmp_path / "x.weights", [])
    reader = WeightsReader(tmp_path / "x.weights")
    reader.finish()
    with pytest.raises(DataError):
        reader.take(1)


def test_too_short_and_too_long(tmp_path: Path) -> None:
    write_weights(tmp_path / "x.weights", [VALUES])
    reader = WeightsReader(tmp_path / "x.weights")
    with pytest.raises(DataError, match=r"116 bytes where the network needs 120 \(4 too few\)"):
        reader.expect(25)
    with pytest.raises(DataError, match=r"116 bytes where the network needs 112 \(4 too many\)"):
        reader.expect(23)
    reader.take(20, "layer 0")
    with pytest.raises(DataError, match="layer 1 needs 20 bytes at byte 100, 16 of 116 are left"):
        reader.take(5, "layer 1")
    with pytest.raises(DataError, match=r"\(16 too many\)"):
        reader.finish()


def test_cut_inside_a_value(tmp_path: Path) -> None:
    write_weights(tmp_path / "x.weights", [VALUES])
    os.truncate(tmp_path / "x.weights", 115)
    with pytest.raises(DataError, match="ends inside a value"):
        WeightsReader(tmp_path / "x.weights")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "0 bytes"),
        (b"\0" * 15, "15 bytes"),
        (struct.pack("<3iI", 0, 2, 5, 0), "16 bytes"),
        (struct.pack("<3iI", -1, 2, 5, 0), "version -1.2.5"),
        (b"A plain text file, some bytes long", "version"),
        (b"<html><head><title>Google Drive", "an HTML page"),
        (b"\n <!DOCTYPE html>", "an HTML page"),
        (b"\x1f\x8b\x08" + b"\0" * 20, "a gzip archive"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 20, "an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (pickle.dumps({"a": 1}), "a Python pickle"),
        (pickle.dumps({"a": 1}, protocol=2), "a Python pickle"),
        (b'{"error": "not found"}          ', "a JSON or XML text"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "x.weights").write_bytes(content)
    with pytest.raises(DataError) as caught:
        WeightsReader(tmp_path / "x.weights")
    assert what in str(caught.value)
    assert caught.value.next


def test_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.weights", "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    with pytest.raises(DataError, match="a zip archive"):
        WeightsReader(tmp_path / "x.weights")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        WeightsReader(tmp_path / "x.weights")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def parts() -> Iterator[NDArray[np.float32]]:
        yield VALUES
        raise RuntimeError("stop")

    (tmp_path / "x.weights").write_bytes(b"before")
    with pytest.raises(RuntimeError, match="stop"):
        write_weights(tmp_path / "x.weights", parts())
    assert [item.name for item in tmp_path.iterdir()] == ["x.weights"]
    assert (tmp_path / "x.weights").read_bytes() == b"before"
