"""`zoo plugins`: the list, and enabling and disabling; testing is in tests/testing/test_kit.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

import zoo_core
from zoo_core.cli import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.testing.fixtures import Zoo

SCHEMA = Path(zoo_core.__file__).parent / "schemas" / "plugins.json"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZOO_PLUGINS", "ZOO_DISABLE_PLUGINS"):
        monkeypatch.delenv(name, raising=False)


def rows(zoo: Zoo) -> dict[str, dict[str, object]]:
    data = zoo("plugins", "--json").json
    jsonschema.validate(data, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return {row["name"]: row for row in data["plugins"]}


def test_the_list_says_what_a_plugin_is_and_provides(zoo: Zoo) -> None:
    row = rows(zoo)["coco"]
    assert row["distribution"] == "zoo-coco"
    assert row["api"] == 1
    assert row["hooks"] == ["zoo_datasets", "zoo_evaluators", "zoo_registry_files"]
    assert "coco-detection" in row["providers"]["evaluator"]
    assert row["failure"] is None
    assert row["disabled"] is None
    (line,) = [text for text in zoo("plugins").stdout.splitlines() if text.startswith("coco ")]
    assert "zoo-coco" in line
    assert "evaluator: coco-detection" in line


def test_a_plugin_without_providers_says_what_it_brings() -> None:
    pytest.importorskip("zoo_vastai_lint")
    row = {"name": "x", "version": "1", "api": 1, "providers": {}, "failure": "", "disabled": ""}
    told = {
        name: plugins._row({**row, "distribution": name})[-1]
        for name in ("zoo-vastai-lint", "zoo-coco", "no-such", "")
    }
    assert told == {
        "zoo-vastai-lint": "no provider; zoo_vastai.commands: lint",
        "zoo-coco": "no provider",
        "no-such": "no provider",
        "": "no provider",
    }


def test_a_disabled_plugin_is_shown_as_such_until_it_is_enabled(zoo: Zoo) -> None:
    assert zoo("plugins", "disable", "zoo-coco", "zoo_onnx").stdout == "disabled: coco, onnx\n"
    table = rows(zoo)
    assert table["coco"]["disabled"] == "with `zoo plugins disable`"
    assert table["coco"]["providers"] == {}
    assert "disabled with `zoo plugins disable`" in zoo("plugins").stdout
    names = [row["name"] for row in zoo("datasets", "--json").json["datasets"]]
    assert "coco-val2017" not in names
    assert zoo("plugins", "enable", "coco").stdout == "disabled: onnx\n"
    assert zoo("plugins", "enable", "onnx", "onnx").stdout == "disabled: none\n"
    assert rows(zoo)["coco"]["disabled"] is None


def test_the_environment_overrides_with_a_warning(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert zoo("plugins", "disable", "coco").code == 0
    monkeypatch.setenv("ZOO_PLUGINS", "coco")
    table = rows(zoo)
    assert table["coco"]["disabled"] is None
    assert table["onnx"]["disabled"] == "because ZOO_PLUGINS does not name it"
    assert "ZOO_PLUGINS is set and overrides this" in zoo("plugins", "enable", "coco").stderr


def test_what_is_gone_can_still_be_enabled(zoo: Zoo, zoo_home: Path) -> None:
    assert zoo("plugins", "disable", "coco").code == 0
    file = zoo_home / "config" / "plugins.json"
    file.write_text(json.dumps({"disabled": ["uninstalled"]}), encoding="utf-8")
    assert zoo("plugins", "enable", "uninstalled").stdout == "disabled: none\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("disable", "cocoo"), 2, "no plugin 'cocoo'; did you mean 'coco'?"),
        (("enable", "cocoo"), 2, "did you mean 'coco'?"),
        (("test", "cocoo"), 2, "did you mean 'coco'?"),
        (("tset", "coco"), 2, "unknown action 'tset'; did you mean 'test'?"),
        (("disable",), 2, "`zoo plugins disable` needs a plugin"),
        (("list", "coco"), 2, "`zoo plugins list` takes no NAME"),
        (("disable", "coco", "--json"), 2, "`zoo plugins disable` does not support --json"),
    ],
)
def test_what_is_refused(zoo: Zoo, arguments: tuple[str, ...], code: int, says: str) -> None:
    outcome = zoo("plugins", *arguments)
    assert outcome.code == code
    assert says in outcome.stderr


def test_a_disabled_plugin_is_not_tested(zoo: Zoo) -> None:
    assert zoo("plugins", "disable", "coco").code == 0
    outcome = zoo("plugins", "test", "coco")
    assert outcome.code == 5
    assert "is disabled with `zoo plugins disable`" in outcome.stderr


def test_testing_needs_pytest(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_core.cli.plugins.find_spec", lambda name: None)
    outcome = zoo("plugins", "test", "coco")
    assert outcome.code == 5
    assert "pip install '.[testing]'" in outcome.stderr


EVALUATOR = """
from zoo_core.api import ProtocolOption, Provider
from zoo_core.api.hooks import hookimpl

ZOO_API = 1

@hookimpl
def zoo_evaluators():
    return [Provider(name="odd", summary="", load=object, options={options})]
"""


@pytest.fixture
def evaluator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """A plugin with one evaluator of these options."""
    name = "zoo_evaluator_of_test_plugins"
    code = EVALUATOR.format(options=request.param)
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ZOO_PLUGINS", f"{name},zoo_core.testing.toy")
    yield
    sys.modules.pop(name, None)


def option(name: str, kind: str = "float", more: str = "") -> str:
    return f"(ProtocolOption(name={name!r}, kind={kind}, help='mine'{more}),)"


@pytest.mark.parametrize(
    "evaluator",
    [option(n) for n in ("limit", "json", "no_bench", "help", "changes")],
    indirect=True,
)
def test_an_evaluator_s_option_that_zoo_has_is_one_clear_line(zoo: Zoo, evaluator: None) -> None:
    done = zoo("run", "--help")
    assert done.code == 2
    assert done.stderr.startswith("zoo: evaluator odd: brings the option '")
    assert "`zoo plugins disable zoo_evaluator_of_test_plugins`" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("evaluator", "says"),
    [
        (option("two words"), "'two words': is not a lower-case name"),
        (option("my-thing"), "is not a lower-case name"),
        (option("class"), "is not a lower-case name"),
        (option("thing", "list"), "is of kind <class 'list'>, not float, int or str"),
        (option("thing", "int", ", choices=(1, 2)"), "choices that are not a tuple of str"),
        ("None", "has options that are not a tuple of ProtocolOption"),
        ("('thing',)", "has options that are not a tuple of ProtocolOption"),
    ],
    indirect=["evaluator"],
)
def test_a_plugin_with_an_impossible_option_is_left_out(
    zoo: Zoo, evaluator: None, says: str
) -> None:
    done = zoo("run", "--help")
    assert done.code == 0
    assert "mine" not in done.stdout
    rows = {row["name"]: row for row in zoo("plugins", "--json").json["plugins"]}
    assert says in rows["zoo_evaluator_of_test_plugins"]["failure"]


@pytest.mark.parametrize("evaluator", [option("thing")], indirect=True)
def test_an_evaluator_s_own_option_is_in_the_help(zoo: Zoo, evaluator: None) -> None:
    assert "--thing" in zoo("run", "--help").stdout
