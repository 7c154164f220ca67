"""`zoo plugins test`: a line for each check, for plugins with and without tests of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

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
    found = tested(FINE)
    assert found.code == 0, found
    assert "ok    plugin: it registers" in found.lines
    assert "ok    decoder mine: wrong params are refused" in found.lines
    (skipped,) = [line for line in found.lines if "decoder mine: it is pure" in line]
    assert skipped.startswith("skip  ")
    assert "subclass zoo_core.testing.DecoderContract" in skipped
    assert " 0 broken" in found.said


VOTES = """
from zoo_core.errors import UsageError, did_you_mean
from zoo_core.api.hooks import hookimpl
from zoo_core.api import Provider

ZOO_API = 1


@hookimpl
def zoo_decoders():
    yield Provider(name="votes", summary="for tests", load=Votes)


class Votes:
    task = "classification"

    def bind(self, params, classes, floor):
        for key in params:
            raise UsageError(f"unknown key '{key}'", next=did_you_mean(key, ()))

        def decode(outputs, geometry):
            (votes,) = outputs.values()
            return {"scores": votes.reshape(classes)}

        return decode
"""


def test_a_decoder_of_another_task_is_tested_with_noise(tested: Callable[[str], Ended]) -> None:
    found = tested(VOTES)
    assert found.code == 0, found
    lines = [line for line in found.lines if " decoder votes: " in line]
    assert len(lines) == 8
    assert all(line.startswith("ok ") for line in lines), lines
    assert not [line for line in lines if "box" in line]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("votes.reshape(classes)", "votes.tolist()"), "candidates can be stored: candidates: 's"),
        (("(votes,) =", "outputs['output'] *= 2; (votes,) ="), "it is pure: it changes the output"),
        (("for key in params:", "for key in ():"), "wrong params are refused: decoder_params."),
    ],
)
def test_a_breach_of_another_task_is_told(
    tested: Callable[[str], Ended], change: tuple[str, str], line: str
) -> None:
    found = tested(VOTES.replace(*change))
    assert found.code == 1
    assert [text for text in found.lines if text.startswith(f"FAIL  decoder votes: {line}")]


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
        (FINE.replace("= 1", "= 99"), "is written for hooks 99"),
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


def test_every_kind_of_the_toy_is_tested(tested: Callable[..., Ended]) -> None:
    toy = "zoo_core.testing.toy"
    found = tested(FINE, toy, toy)
    assert found.code == 0, [line for line in found.lines if line.startswith("FAIL")]
    kinds = {line.split()[1] for line in found.lines if line.startswith("ok")}
    every = "plugin: exporter compiler runtime emitter decoder evaluator dataset backend"
    assert kinds == set(every.split())


def test_a_profiler_is_tested_with_its_backends_compiler(tested: Callable[..., Ended]) -> None:
    toy = "zoo_core.testing.toy"
    found = tested(FINE, f"{toy}_profiler", f"{toy},{toy}_profiler")
    lines = [line for line in found.lines if " profiler toy: " in line]
    assert len(lines) == 7
    assert all(line.startswith("ok ") for line in lines), lines


def test_an_evaluator_of_another_task_is_tested_as_far_as_it_is_known(
    tested: Callable[..., Ended], tmp_path: Path
) -> None:
    """As an installed plugin, beside which no tests of its own lie."""
    module = pytest.importorskip("zoo_classification")
    shutil.copytree(Path(module.__file__).parent, tmp_path / "zoo_classification")
    found = tested(FINE, "zoo_classification", "zoo_classification")
    assert found.code == 0, found
    lines = {
        line.partition("evaluator topk: ")[2].partition(":")[0]: line
        for line in found.lines
        if " evaluator topk: " in line
    }
    known = ("its task is the one said", "settling is pure", "it draws on a copy")
    assert all(lines[name].startswith("ok ") for name in known), lines
    assert "subclass zoo_core.testing.TaskEvaluatorContract" in lines["scoring is pure"]


def test_tests_of_a_checkout_are_those_with_contracts(tmp_path: Path) -> None:
    package = tmp_path / "zoo_mine" / "__init__.py"
    assert own_tests(package) == []
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "tests").mkdir()
    chosen = tmp_path / "tests" / "test_contracts.py"
    chosen.write_text("from zoo_core.testing import PluginContract\n")
    (tmp_path / "tests" / "test_more.py").write_text("def test_it() -> None: ...\n")
    assert own_tests(package) == [chosen]
