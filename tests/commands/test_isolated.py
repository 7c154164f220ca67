"""An engine that ends its process: the command goes on, and says which stage it was."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo

MODULE = "zoo_dying_of_test_isolated"
CODE = f'''
from __future__ import annotations
import dataclasses, os, signal
from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl
from zoo_core.testing import toy

ZOO_API = 1

class Dying(toy.ToyCompiler):
    def stages(self, request):
        (stage,) = super().stages(request)
        return [dataclasses.replace(stage, run="{MODULE}:die", isolated=True)]

@hookimpl
def zoo_compilers():
    yield Provider(name="dying", summary="ends its process", load=Dying)

@hookimpl
def zoo_backends():
    (backend,) = toy.zoo_backends()
    yield dataclasses.replace(backend, name="dying", compiler="dying")

def die(context):
    """A harmless stand-in for an engine that divides by zero."""
    os.kill(os.getpid(), signal.SIGFPE)
'''


@pytest.fixture(autouse=True)
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / f"{MODULE}.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("ZOO_PLUGINS", f"zoo_core.testing.toy,{MODULE}")
    yield
    sys.modules.pop(MODULE, None)


@pytest.mark.parametrize("verb", ["run", "bench", "predict", "compile"])
def test_a_compiler_that_ends_its_process_is_one_line(zoo: Zoo, verb: str) -> None:
    where = ("toy-detector", "--backend", "dying", "--assets", "sample")
    more = () if verb == "compile" else ("--json", "-")
    done = zoo(verb, *where, *more)

    assert done.code == 1
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("zoo: stage compile: its process ended with signal 8 (SIGFPE: ")
    assert "try another --backend, --precision or version" in line
    if more:
        error = json.loads(done.stdout)["error"]
        assert (error["code"], error["where"]) == ("stage", "stage compile")
