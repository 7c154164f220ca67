from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from zoo_openvino.cache import cache_folder, prune

from zoo_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_choices(own_home: Path, tmp_path: Path) -> None:
    assert cache_folder("auto") == own_home / "caches" / "openvino"
    assert cache_folder("none") is None
    assert cache_folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="--option cache=DIR"):
        cache_folder(str(tmp_path / "file" / "inner"))


def test_the_oldest_blobs_go_first(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "middle", "old")):
        path = tmp_path / f"{name}.blob"
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    (tmp_path / "notes.txt").write_bytes(bytes(1000))
    prune(tmp_path, limit=200)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["middle.blob", "new.blob", "notes.txt"]
    prune(tmp_path, limit=199)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.blob", "notes.txt"]


def test_a_folder_that_is_gone_is_no_failure(tmp_path: Path) -> None:
    prune(tmp_path / "gone")
