"""Fixtures for plugin tests; enabled by `pytest_plugins = ["zoo_core.testing.fixtures"]`."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: its exit code and its output."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.stdout)


class Zoo(Protocol):
    """Runs a command in this process: `zoo("models", "--json")`."""

    def __call__(self, *arguments: str | Path) -> Outcome:
        """The outcome; defects of zoo are raised as they are."""


class WriteImage(Protocol):
    """Writes a picture of seeded noise; the file's ending chooses its format."""

    def __call__(self, path: Path, height: int = 48, width: int = 64, seed: int = 0) -> Path:
        """The path."""


@pytest.fixture
def zoo_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own (which does not exist yet), and no network."""
    home = tmp_path / "zoo-home"
    monkeypatch.setenv("ZOO_HOME", str(home))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    return home


@pytest.fixture
def zoo(zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    """Runs zoo in this process, in a folder and with a cache folder of its own.

    The plugins are those that are installed; set ZOO_PLUGINS to choose.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("ZOO_REGISTRY", "ZOO_DEBUG", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path) -> Outcome:
        from zoo_core.cli import main

        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
        return Outcome(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for all tests of a module."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def commands(
    zoo: Zoo, shared_home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Zoo:
    """Runs zoo with the plugins of the test module's PLUGINS and the module's cache folder.

    Skips the test where one of them is not installed.
    """
    names: tuple[str, ...] = request.module.PLUGINS
    for name in names:
        pytest.importorskip(name)
    monkeypatch.setenv("ZOO_PLUGINS", ",".join(names))
    monkeypatch.setenv("ZOO_HOME", str(shared_home))
    return zoo


@pytest.fixture
def write_image() -> WriteImage:
    """A function that writes images."""
    from zoo_core.testing.examples import noise
    from zoo_core.vision import write_image as write

    def make(path: Path, height: int = 48, width: int = 64, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, noise(height, width, seed))
        return path

    return make
