from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import DataError, RegistryError
from zoo_core.plugins.selection import Selection, load_disabled, save_disabled, selection
from zoo_core.system.paths import home

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Installed

pytestmark = pytest.mark.usefixtures("zoo_home")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZOO_PLUGINS", "ZOO_DISABLE_PLUGINS"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_is_left_out_at_first() -> None:
    assert selection() == Selection(by="with `zoo plugins disable`")
    assert load_disabled() == frozenset()
    assert not home().exists()


def test_what_is_remembered_is_read_again() -> None:
    path = save_disabled(["b", "a", "b"])
    assert path.is_relative_to(home())
    assert json.loads(path.read_text(encoding="utf-8")) == {"disabled": ["a", "b"]}
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert selection().without == ("a", "b")
    save_disabled([])
    assert selection().without == ()


@pytest.mark.parametrize("variable", ["ZOO_PLUGINS", "ZOO_DISABLE_PLUGINS"])
@pytest.mark.parametrize("text", ["", "b"])
def test_the_environment_goes_first(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    path = save_disabled(["a"])
    path.write_text("not even JSON", encoding="utf-8")
    monkeypatch.setenv(variable, text)
    assert "a" not in selection().without


@pytest.mark.parametrize("text", ["{", "[]", '{"disabled": "a"}', '{"disabled": [1]}', "{}"])
def test_a_broken_file_says_what_to_do(text: str) -> None:
    path = save_disabled([])
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RegistryError, match="is not a list of disabled plugins") as caught:
        selection()
    assert caught.value.where == str(path)
    assert caught.value.next.startswith("delete it")


def test_a_home_that_is_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "home.json"
    place.touch()
    monkeypatch.setenv("ZOO_HOME", str(place))
    with pytest.raises(DataError, match="is a file, not a folder; set ZOO_HOME") as caught:
        selection()
    assert caught.value.where == str(place)


def test_a_file_that_cannot_be_read_is_not_called_broken() -> None:
    path = save_disabled([])
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        selection()


def test_why_a_plugin_is_disabled() -> None:
    choice = Selection(only=("a", "zoo_b"), without=("zoo-a",))
    assert choice.disabled_reason({"a", "zoo_a", "zoo-a"}) == "by ZOO_DISABLE_PLUGINS"
    assert choice.disabled_reason({"b", "zoo_b"}) == ""
    assert choice.disabled_reason({"c"}) == "because ZOO_PLUGINS does not name it"


@pytest.mark.parametrize("spelling", ["import_error", "zoo_import_error", "zoo-import-error"])
def test_a_remembered_plugin_is_never_imported(installed: Installed, spelling: str) -> None:
    save_disabled([spelling])
    plugins = installed("good", "import_error")
    assert plugins.failures == []
    (left_out,) = plugins.disabled
    assert left_out.name == "import_error"
    assert left_out.disabled == "with `zoo plugins disable`"
    assert "zoo_import_error" not in sys.modules


def test_a_plugin_of_newer_hooks_says_what_to_do(installed: Installed) -> None:
    (failed,) = installed("newer").failures
    assert str(failed.failure).endswith("update zoo-core, or install an older zoo-newer")


def test_a_home_that_cannot_be_read_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "absent" / "deep"))
    assert selection().without == ()
