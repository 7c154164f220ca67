"""`zoo plugins test`: a line for each check, for plugins with and without tests of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from zoo_core.plugins.manager import KINDS, Plugins
from zoo_core.testing import toy, toy_parts
from zoo_core.testing.advice import advice
from zoo_core.testing.contracts.base import Contract
from zoo_core.testing.kit import own_tests

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
FINE = """
from zoo_core.api.hooks import hookimpl
from zoo_core.api import Provider

ZOO_API = 1


@hookimpl
def zoo_decoders():
    yield Provider(name="mine", summary="for tests", load=load)


def load():
    from zoo_core.testing.toy_parts import ToyDecoder

    return ToyDecoder()
"""


class Ended(NamedTuple):
    code: int
    lines: list[str]
    said: str


@pytest.fixture
def tested(tmp_path: Path) -> Callable[[str], Ended]:
    """Runs `zoo plugins test zoo_mine` for a module of this text."""

    def run(text: str, name: str = "zoo_mine", plugins: str = "zoo_mine") -> Ended:
        (tmp_path / "zoo_mine.py").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "zoo_core", "plugins", "test", name],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
                "ZOO_HOME": str(tmp_path / "home"),
                "ZOO_PLUGINS": plugins,
            },
        )
        return Ended(done.returncode, done.stdout.splitlines(), done.stderr)

    return run


def test_a_module_named_by_hand_is_tested(tested: Callable[[str], Ended]) -> None:
    done = tested(FINE)
    assert done.code == 0, done
    assert "ok    plugin: it registers" in done.lines
    assert not [line for line in done.lines if line.startswith("FAIL")]
    assert " 0 broken, 1 skipped" in done.said


def test_what_has_no_contract_tests_is_told_how_to_write_them(
    tested: Callable[[str], Ended],
) -> None:
    lines = tested(FINE).lines
    (at,) = [at for at, line in enumerate(lines) if line.startswith("skip  decoder mine: ")]
    assert lines[at].endswith("it has no contract tests; subclass zoo_core.testing.DecoderContract")
    assert [line.strip() for line in lines[at + 1 : at + 5]] == [
        "import zoo_mine",
        "from zoo_core.testing import DecoderContract",
        "class TestDecoder(DecoderContract):",
        "plugin, name = zoo_mine, 'mine'",
    ]


VOTES = (
    FINE.replace("ToyDecoder()", "Votes()").replace(
        "    from zoo_core.testing.toy_parts import ToyDecoder\n", ""
    )
    + """

class Votes:
    task = "classification"

    def bind(self, params, classes, floor): ...
"""
)


def test_a_decoder_of_another_task_needs_another_contract(
    tested: Callable[[str], Ended],
) -> None:
    done = tested(VOTES)
    assert done.code == 0, done
    assert any("subclass zoo_core.testing.TaskDecoderContract" in line for line in done.lines)
    assert any("task = 'classification'" in line for line in done.lines)


def test_every_kind_has_lines_that_can_be_pasted() -> None:
    """Each block is a test module whose class has the kind and name of the provider."""
    plugins = Plugins([toy])
    providers = [(kind, name) for kind in KINDS for name in plugins.all(kind)]
    blocks = list(advice(plugins, toy.__name__, providers))
    assert len(blocks) == len(KINDS)
    for sentence, lines in blocks:
        scope: dict[str, Any] = {}
        exec(lines, scope)
        (contract,) = (v for n, v in scope.items() if n.startswith("Test"))
        assert issubclass(contract, Contract)
        assert sentence.startswith(f"{contract.kind} {contract.name}")
        assert f"zoo_core.testing.{contract.__base__.__name__}" in sentence


@pytest.mark.parametrize("kind", ["decoder", "evaluator"])
def test_lines_for_another_task_can_be_pasted(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy_parts.ToyDecoder, "task", "segmentation")
    monkeypatch.setattr(toy_parts.ToyEvaluator, "task", "segmentation")
    plugins = Plugins([toy])
    ((sentence, lines),) = advice(plugins, toy.__name__, [(kind, *plugins.all(kind))])
    scope: dict[str, Any] = {}
    exec(lines, scope)
    assert f"Task{kind.capitalize()}Contract" in sentence
    assert scope[f"Test{kind.capitalize()}"].task == "segmentation"


def test_a_kind_that_own_tests_leave_out_is_named(
    tested: Callable[..., Ended], tmp_path: Path
) -> None:
    """A checkout with contract tests for its decoder, and none for its data set."""
    package, tests = tmp_path / "zoo_own", tmp_path / "tests"
    package.mkdir()
    tests.mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    more = (
        "\n\n@hookimpl\ndef zoo_datasets():\n"
        "    yield Provider(name='a', summary='for tests', load=load)\n"
        "    yield Provider(name='b', summary='for tests', load=load)\n"
    )
    (package / "__init__.py").write_text(FINE + more, encoding="utf-8")
    (tests / "test_contracts.py").write_text(
        "import zoo_own\nfrom zoo_core.testing import DecoderContract\n"
        "class TestMine(DecoderContract):\n    plugin, name = zoo_own, 'mine'\n",
        encoding="utf-8",
    )
    done = tested(FINE, "zoo_own", "zoo_own")
    assert "ok    decoder mine [TestMine]: its task is the one said" in done.lines
    assert "ok    plugin: it registers" in done.lines
    (line,) = [line for line in done.lines if line.startswith("skip")]
    assert line.startswith("skip  dataset a, b: it has no contract tests; ")
    assert line.endswith("zoo_core.testing.DatasetContract, once for each")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("ZOO_API = 1", ""), "FAIL  plugin: it states the hooks it was written for: ZOO_API is"),
        (("ZOO_API = 1", "ZOO_API = 1\nimport onnx"), "FAIL  plugin: listing is light: listing it"),
        (("ToyDecoder()", "object()"), "FAIL  plugin: every provider loads: decoder 'mine' has no"),
        (('"mine"', '"Mine"'), "FAIL  plugin: names are lower case and unique: decoder 'Mine' is"),
        (("return Toy", "return Other"), "FAIL  plugin: every provider loads: decoder 'mine' does"),
    ],
)
def test_a_breach_is_a_line_and_exit_1(
    tested: Callable[[str], Ended], change: tuple[str, str], line: str
) -> None:
    found = tested(FINE.replace(*change))
    assert found.code == 1
    assert [text for text in found.lines if text.startswith(line)]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        (FINE.replace("zoo_decoders", "zoo_decodrs"), "unknown hook 'zoo_decodrs'"),
        (FINE.replace("= 1", "= 99"), "needs version 99 of the hooks"),
        (FINE.replace("yield", "raise OSError('gone'); yield"), "OSError: gone"),
    ],
)
def test_a_plugin_that_does_not_load_is_a_broken_check(
    tested: Callable[[str], Ended], text: str, cause: str
) -> None:
    found = tested(text)
    assert found.code == 1
    (line,) = found.lines
    assert line.startswith("FAIL  plugin zoo_mine: it registers: ")
    assert cause in line


def test_a_plugin_that_kills_its_process_is_broken(tested: Callable[[str], Ended]) -> None:
    deadly = FINE.replace(
        "def load():", "def load():\n    import os\n    os.kill(os.getpid(), 9)\n"
    )
    assert tested(deadly).code == 1


def test_tests_of_a_checkout_are_those_with_contracts(tmp_path: Path) -> None:
    package = tmp_path / "zoo_mine" / "__init__.py"
    assert own_tests(package) == []
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "tests").mkdir()
    chosen = tmp_path / "tests" / "test_contracts.py"
    chosen.write_text("from zoo_core.testing import PluginContract\n")
    (tmp_path / "tests" / "test_more.py").write_text("def test_it() -> None: ...\n")
    assert own_tests(package) == [chosen]
