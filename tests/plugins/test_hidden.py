"""What an installed plugin gives is not called missing where the plugin is only left out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import UsageError
from zoo_core.plugins.hidden import told_hidden
from zoo_core.plugins.manager import KINDS, Plugins
from zoo_core.plugins.plugin import Plugin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Installed
    from zoo_core.testing.fixtures import Zoo

pytestmark = pytest.mark.usefixtures("zoo_home")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZOO_PLUGINS", "ZOO_DISABLE_PLUGINS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "why", "step"),
    [
        ("ZOO_PLUGINS", "", "because ZOO_PLUGINS does not name it", "add good to ZOO_PLUGINS, or"),
        ("ZOO_DISABLE_PLUGINS", "good", "by ZOO_DISABLE_PLUGINS", "take good out of ZOO_DISABLE_"),
    ],
)
def test_the_variable_that_hides_it_is_named(
    installed: Installed,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    why: str,
    step: str,
) -> None:
    monkeypatch.setenv(variable, value)
    plugins = installed("good")
    with pytest.raises(UsageError) as caught:
        plugins.find("decoder", "good")
    assert (
        caught.value.what == f"no decoder 'good' is loaded: zoo-good is installed, left out {why}"
    )
    assert caught.value.next.startswith(step)
    assert "zoo_good" not in sys.modules
    with pytest.raises(UsageError, match="no decoder 'goof'"):
        plugins.find("decoder", "goof")


def test_what_is_disabled_is_named_by_every_verb(zoo: Zoo) -> None:
    assert zoo("plugins", "disable", "onnxruntime", "coco").code == 0
    done = zoo("run", "yolov4-tianxiaomo", "--backend", "onnxruntime")
    assert done.code == 2
    assert (
        "no backend 'onnxruntime' is loaded: zoo-onnxruntime is installed, left out with "
        "`zoo plugins disable`; run `zoo plugins enable onnxruntime`"
    ) in done.stderr
    findings = zoo("check", "yolov4-darknet", "--json").json["findings"]
    told = {row["message"]: row["next"] for row in findings}
    message = "zoo-coco is installed, left out with `zoo plugins disable`"
    key = f"no evaluator 'coco-detection' is loaded: {message}"
    assert told[key] == "run `zoo plugins enable coco`"


def test_what_every_installed_plugin_gives_is_found_in_its_source() -> None:
    """Of each kind, by the text alone."""
    plugins = Plugins.installed()
    for plugin in plugins.plugins:
        for kind, names in plugins.provided(plugin).items():
            for name in names:
                assert told_hidden(kind, name, KINDS[kind], [plugin]), (kind, name)


@pytest.mark.parametrize("text", ["def zoo_decoders(:", None])
def test_a_source_that_cannot_be_read_gives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    if text:
        (tmp_path / "zoo_unread.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("zoo_unread", "zoo_unread.inner"):
        plugin = Plugin(name="x", module=module, distribution="", version="", api=None)
        assert told_hidden("decoder", "x", "zoo_decoders", [plugin]) is None
