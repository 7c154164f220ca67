from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from zoo_core.plugins.entry_points import entry_points
from zoo_core.system import distributions as installed
from zoo_core.system.distributions import version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder at the front of sys.path, and a cache of its own."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    found = tmp_path / "site"
    found.mkdir()
    monkeypatch.syspath_prepend(str(found))
    installed._found_on.cache_clear()
    yield found
    installed._found_on.cache_clear()


def install(place: Path, name: str, number: str, points: str = "") -> None:
    folder = place / f"{name}-{number}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    (folder / "entry_points.txt").write_text(points)
    old = place.stat().st_mtime - 10
    os.utime(place, (old, old))


def test_versions_are_those_of_the_library(place: Path) -> None:
    for name in ("numpy", "pluggy", "zoo-core"):
        assert version(name) == metadata.version(name)
    assert version("a-package-that-is-not-there") is None


def test_names_have_one_spelling(place: Path) -> None:
    install(place, "My_Odd.Package", "3.1")
    assert version("my-odd-package") == version("My.Odd_Package") == "3.1"


def test_entry_points_of_a_group_in_order(place: Path) -> None:
    install(place, "one", "1", "[animals]\nzebra = one.z:zebra\nape = one:ape\n[plants]\nfir = x\n")
    assert [(p.name, p.module, p.distribution) for p in entry_points("animals")] == [
        ("ape", "one", "one"),
        ("zebra", "one.z", "one"),
    ]


def test_the_first_of_two_on_the_path_counts(place: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    sys.path.insert(0, str(other))
    try:
        install(other, "one", "2")
        install(place, "one", "1", "[animals]\nape = one:ape\n")
        assert version("one") == "2"
        assert entry_points("animals") == []
    finally:
        sys.path.remove(str(other))


def test_what_is_installed_later_is_seen(place: Path) -> None:
    assert version("late") is None
    install(place, "late", "1")
    installed._found_on.cache_clear()
    assert version("late") == "1"
    installed._found_on.cache_clear()
    assert version("late") == "1"


def test_without_a_cache_folder_all_is_still_found(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "file"))
    install(place, "one", "1", "[animals]\nape = one:ape\n")
    assert version("one") == "1"
    assert len(entry_points("animals")) == 1


def test_an_entry_point_loads_what_it_names(place: Path) -> None:
    install(place, "one", "1", "[things]\nwhole = zoo_one\npart = zoo_one:Thing.value\n")
    (place / "zoo_one.py").write_text("class Thing:\n    value = 7\n")
    part, whole = entry_points("things")
    assert part.load() == 7
    assert whole.load().__name__ == "zoo_one"
