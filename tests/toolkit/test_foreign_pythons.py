"""Environments of other Pythons and by another installer, where this machine has them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.errors import StageError, UnavailableError
from zoo_core.toolkit.foreign import Environment, prepare_environment
from zoo_core.toolkit.foreign import environment as module

if TYPE_CHECKING:
    from pathlib import Path

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
REAL_WHICH = shutil.which


@pytest.fixture(autouse=True)
def _wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with one wheel, that stands for the package index."""
    folder, info = tmp_path / "wheels", "made_up-1.0.dist-info"
    folder.mkdir()
    files = {
        "made_up.py": "VALUE = 7\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: made_up\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / "made_up-1.0-py3-none-any.whl", "w") as archive:
        for path, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, content)
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))


def which(**others: str | None) -> Any:
    return lambda name: others[name] if name in others else REAL_WHICH(name)


def prepare(tmp_path: Path, python: str | None = None) -> tuple[Path, dict[str, Any]]:
    environment = Environment.stated(["made-up==1.0"], python, "card")
    return prepare_environment(environment, tmp_path / "log.txt", lambda _text: None)


def version_of(python: Path) -> str:
    code = "import made_up, sys; print('%d.%d' % sys.version_info[:2], made_up.VALUE)"
    told = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    return told.strip()


@pytest.mark.parametrize("first", ["uv", "pip"])
def test_an_environment_of_either_installer_is_found_by_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    uv = REAL_WHICH("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    tools = {"uv": uv, "pip": None}
    monkeypatch.setattr(shutil, "which", which(uv=tools[first]))
    python, record = prepare(tmp_path)
    assert record["maker"] == first
    assert {name.replace("_", "-"): told for name, told in record["packages"].items()} == {
        "made-up": "1.0"
    }
    assert version_of(python) == f"{OWN} 7"
    monkeypatch.setattr(shutil, "which", which(uv=tools["pip" if first == "uv" else "uv"]))
    monkeypatch.setattr(module, "_make", None)
    assert prepare(tmp_path) == (python, record)


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    uv = REAL_WHICH("uv")
    if tool == "uv" and uv is None:
        pytest.skip("uv is not installed")
    version = next(filter(runs, ("3.10", "3.12", "3.13", "3.11")), None)
    if version is None:
        pytest.skip("no other Python runs here")
    monkeypatch.setattr(shutil, "which", which(uv=uv if tool == "uv" else None))
    python, record = prepare(tmp_path, version)
    assert record["python"].startswith(f"{version}.")
    assert version_of(python) == f"{version} 7"


def runs(version: str) -> bool:
    found = REAL_WHICH(f"python{version}")
    done = found and subprocess.run([found, "-c", "import venv"], capture_output=True, check=False)
    return version != OWN and bool(done) and done.returncode == 0


def test_a_python_that_does_not_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Python of pyenv that is not chosen."""
    program = tmp_path / "python3.4"
    program.write_text("#!/bin/sh\necho 'pyenv: python3.4: command not found' >&2\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", which(**{"uv": None, "python3.4": str(program)}))
    with pytest.raises(UnavailableError, match=r"does not run: pyenv: python3\.4") as caught:
        prepare(tmp_path, "3.4")
    assert caught.value.where == str(program)
    assert "choose it (`pyenv shell 3.4`)" in caught.value.next
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(UnavailableError, match="does not run: no output"):
        prepare(tmp_path, "3.4")


def test_the_cause_that_uv_tells_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    lines = "error: Request failed\n  cause: Failed to download x\n  cause: dns error"
    uv.write_text(f"#!/bin/sh\necho '{lines}' >&2\nexit 1\n")
    uv.chmod(0o755)
    monkeypatch.setattr(shutil, "which", which(uv=str(uv)))
    told = "cannot be made: error: Request failed: cause: Failed to download x"
    with pytest.raises(StageError) as caught:
        prepare(tmp_path)
    assert caught.value.what.endswith(told)
