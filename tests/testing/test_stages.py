from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from zoo_core.api import Stage
from zoo_core.errors import DataError, StageError, ZooError
from zoo_core.plugins.manager import Plugins
from zoo_core.testing import run_stages, toy
from zoo_core.testing.examples import files_stage, images_stage, tiny_stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = "zoo_steps_of_test_stages"
CODE = """
def count(context):
    with open(context.params["calls"], "a") as calls:
        calls.write("x")
    (context.out / "text.txt").write_text("made")

def names(context):
    (context.out / "names.txt").write_text(" ".join(context.plugins.all("dataset")))

def crash(context):
    raise ValueError("a defect")
"""


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / f"{MODULE}.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    yield MODULE
    sys.modules.pop(MODULE, None)


def test_folders_of_stages_are_returned_by_name(tmp_path: Path) -> None:
    done = run_stages([tiny_stage(), images_stage()], tmp_path)
    assert list(done) == ["export", "calibration"]
    assert (done["export"] / "model.onnx").is_file()
    assert len(list((done["calibration"] / "images").iterdir())) == 4


def test_what_was_made_is_not_made_again(steps: str, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    stage = Stage(
        name="count", run=f"{steps}:count", params={"calls": str(calls)}, outputs=("text.txt",)
    )
    assert run_stages([stage], tmp_path) == run_stages([stage], tmp_path)
    assert calls.read_text() == "x"
    run_stages([stage], tmp_path / "elsewhere")
    assert calls.read_text() == "xx"


def test_stages_see_the_plugins(steps: str, tmp_path: Path) -> None:
    stage = Stage(name="names", run=f"{steps}:names", outputs=("names.txt",))
    done = run_stages([stage], tmp_path, Plugins([toy]))
    assert (done["names"] / "names.txt").read_text() == "toy-drawn toy-shapes"


def test_failures_are_those_of_zoo(steps: str, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="ValueError: a defect"):
        run_stages([Stage(name="crash", run=f"{steps}:crash", outputs=("a",))], tmp_path)
    with pytest.raises(ZooError, match="no earlier stage outputs"):
        run_stages([Stage(name="late", run=f"{steps}:names", inputs={"a": "b/c"})], tmp_path)


def test_files_are_brought_as_a_plan_brings_them(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"12345")
    stage = files_stage({"weights": path})
    done = run_stages([stage], tmp_path)
    assert (done["weights"] / "weights.bin").read_bytes() == b"12345"
    path.write_bytes(b"54321")
    with pytest.raises(DataError, match="sha256"):
        run_stages([stage], tmp_path / "elsewhere")
