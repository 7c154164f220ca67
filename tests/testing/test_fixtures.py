from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo_core.system.paths import home
from zoo_core.testing import toy
from zoo_core.testing.examples import noise

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import WriteImage, Zoo

pytest_plugins = ["zoo_core.testing.fixtures"]


@pytest.fixture(autouse=True)
def _toy_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", toy.__name__)


def test_a_command_runs_in_this_process(zoo: Zoo) -> None:
    outcome = zoo("backends", "--json")
    assert outcome.code == 0
    assert [row["name"] for row in outcome.json["backends"]] == ["toy"]
    assert outcome.stderr == ""


def test_a_failure_is_an_outcome(zoo: Zoo) -> None:
    outcome = zoo("show", "no-such-model")
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("zoo: ")


def test_help_is_an_outcome(zoo: Zoo) -> None:
    outcome = zoo("--help")
    assert outcome.code == 0
    assert "Usage" in outcome.stdout


def test_streams_are_given_back(zoo: Zoo) -> None:
    before = sys.stdout, sys.stderr
    zoo("models")
    assert (sys.stdout, sys.stderr) == before


def test_the_machine_is_not_touched(zoo: Zoo, zoo_home: Path, tmp_path: Path) -> None:
    assert home() == zoo_home
    assert Path.cwd() == tmp_path
    assert os.environ["ZOO_OFFLINE"] == "1"
    assert not zoo_home.exists()
    assert zoo("run", "toy-detector", "--backend", "toy", "--no-bench").code == 0
    assert zoo_home.exists()
    assert (tmp_path / "runs").is_dir()


def test_the_tiny_network_is_valid() -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    from zoo_core.testing.examples import tiny_model

    model = tiny_model()
    onnx.checker.check_model(model)
    image = np.ones((2, 3, 32, 32), np.float32)
    (found,) = map(np.asarray, ReferenceEvaluator(model).run(None, {"input": image}))
    assert found.shape == (2, 6, 8, 8)
    assert np.array_equal(found[0], found[1])
    assert 0.1 < np.abs(found).mean() < 10


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_images_are_written(write_image: WriteImage, tmp_path: Path, suffix: str) -> None:
    from zoo_core.vision import read_rgb

    path = write_image(tmp_path / "deep" / f"a{suffix}", height=20, width=30, seed=3)
    found = read_rgb(path)
    assert found.shape == (20, 30, 3)
    if suffix == ".png":
        assert np.array_equal(found, noise(20, 30, 3))
    other = write_image(tmp_path / f"b{suffix}", height=20, width=30, seed=4)
    assert path.read_bytes() != other.read_bytes()
