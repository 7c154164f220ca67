"""What a disabled plugin provides is missing, and the message says which plugins are disabled."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from tests.conftest import Installed
    from zoo_core.testing.fixtures import Zoo

pytestmark = pytest.mark.usefixtures("zoo_home")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZOO_PLUGINS", "ZOO_DISABLE_PLUGINS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("ZOO_PLUGINS", "", "because ZOO_PLUGINS does not name it"),
        ("ZOO_DISABLE_PLUGINS", "good", "by ZOO_DISABLE_PLUGINS"),
    ],
)
def test_the_plugin_and_the_variable_are_named(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable, value)
    plugins = installed("good")

    with pytest.raises(UsageError) as caught:
        plugins.find("decoder", "good")

    assert caught.value.what == "no decoder 'good'"
    assert f"disabled: zoo-good {reason}" in caught.value.next
    assert "zoo_good" not in sys.modules


def test_what_is_disabled_is_named_by_every_verb(zoo: Zoo) -> None:
    assert zoo("plugins", "disable", "onnxruntime", "openvino", "vastai", "coco").code == 0
    disabled = "zoo-onnxruntime with `zoo plugins disable`"

    done = zoo("run", "yolov4-tianxiaomo", "--backend", "onnxruntime")
    assert done.code == 2
    assert "no backend 'onnxruntime'" in done.stderr
    assert disabled in done.stderr
    findings = zoo("check", "yolov4-darknet", "--json").json["findings"]
    steps = {row["message"]: row["next"] for row in findings}
    assert "zoo-coco with `zoo plugins disable`" in steps["no evaluator 'coco-detection'"]
    rows = {row["id"]: row for row in zoo("models", "--json").json["models"]}
    assert (
        "no evaluator 'coco-detection' is installed or enabled" in rows["yolov4-darknet"]["reason"]
    )
