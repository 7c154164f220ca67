from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from zoo_core.home import folder, home

if TYPE_CHECKING:
    import pytest


def test_the_platforms_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_HOME", raising=False)
    assert home() == platformdirs.user_cache_path("zoo")


def test_zoo_home_moves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_HOME", "here")
    assert home() == tmp_path / "here"
    monkeypatch.setenv("ZOO_HOME", "~/there")
    assert home() == Path.home() / "there"


def test_naming_the_place_makes_nothing(zoo_home: Path) -> None:
    assert home() == zoo_home
    assert not zoo_home.exists()


def test_a_folder_in_it_is_marked_as_a_cache(zoo_home: Path) -> None:
    assert folder("store") == zoo_home / "store"
    assert folder("store").is_dir()
    assert (zoo_home / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f0688")
    assert (zoo_home / ".gitignore").read_text() == "*\n"
    assert "zoo" in (zoo_home / "README.txt").read_text()
