from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from zoo_core.errors import DataError
from zoo_core.system.paths import folder, home, resource_path


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


def test_files_that_were_there_are_left_alone(zoo_home: Path) -> None:
    zoo_home.mkdir()
    mine = {".gitignore": "build/\n", "README.txt": "My project.\n"}
    for name, text in mine.items():
        (zoo_home / name).write_text(text)
    folder("store")
    assert {name: (zoo_home / name).read_text() for name in mine} == mine


def test_a_folder_with_other_files_is_not_marked(zoo_home: Path) -> None:
    zoo_home.mkdir()
    (zoo_home / "thesis.tex").write_text("years of work")
    folder("store")
    folder("facts")
    assert {path.name for path in zoo_home.iterdir()} == {"thesis.tex", "store", "facts"}


def test_what_was_put_there_by_hand_or_by_a_run_does_not_hinder_marks(zoo_home: Path) -> None:
    for name in ("store", "downloads"):
        (zoo_home / name).mkdir(parents=True)
    folder("facts")
    assert (zoo_home / "CACHEDIR.TAG").exists()
    assert (zoo_home / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    ("package", "step"),
    [
        ("zoo_nowhere", "pip install ./plugins/zoo-nowhere in a checkout of zoo's repository"),
        ("some_nets", "pip install some-nets"),
    ],
)
def test_a_package_that_is_missing_can_be_installed(package: str, step: str) -> None:
    """Zoo's own distributions are on no index."""
    with pytest.raises(DataError) as caught:
        resource_path(f"{package}:weights/net.pth")
    assert caught.value.next == step
