"""Environments made once, and programs of others that see no credentials and end with zoo."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from zoo_core.errors import RegistryError, StageError, UnavailableError, ZooError
from zoo_core.toolkit.foreign import (
    Environment,
    Limits,
    clean_variables,
    prepare_environment,
    run_program,
)
from zoo_core.toolkit.foreign import environment as module
from zoo_core.toolkit.foreign import process as process_module

if TYPE_CHECKING:
    from collections.abc import Callable

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def wheel(folder: Path, name: str, text: str) -> None:
    """A wheel of one module, as pip and uv install it."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, content)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that stands for the package index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "made_up", "VALUE = 7\n")
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    return folder


def prepare(tmp_path: Path, *requirements: str, **changes: Any) -> tuple[Path, dict[str, Any]]:
    environment = Environment.stated(list(requirements), changes.get("python"), "card")
    return prepare_environment(environment, tmp_path / "log.txt", lambda _text: None)


def test_an_environment_is_made_once(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, record = prepare(tmp_path, "made-up==1.0")
    code = "import made_up, sys; print(made_up.VALUE, sys.prefix)"
    told = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    assert told.split() == ["7", str(python.parents[1])]
    assert {name.replace("_", "-") for name in record["packages"]} >= {"made-up"}
    assert record["python"].startswith(OWN)

    shutil.rmtree(wheels)
    monkeypatch.setattr(module, "_make", None)
    assert prepare(tmp_path, "made-up==1.0") == (python, record)


def test_what_a_stopped_attempt_left_is_made_again(tmp_path: Path, wheels: Path) -> None:
    place = Environment.stated(["made-up==1.0"], None, "card").place()
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").touch()
    python, _ = prepare(tmp_path, "made-up==1.0")
    assert subprocess.run([python, "-c", "import made_up"], check=True).returncode == 0


@pytest.mark.usefixtures("wheels")
def test_a_requirement_that_cannot_be_installed(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"cannot be made: .*made.?up") as caught:
        prepare(tmp_path, "made-up==2.0")
    assert "log.txt" in caught.value.next
    place = Environment.stated(["made-up==2.0"], None, "card").place()
    assert not (place / "environment.json").exists()


@pytest.mark.usefixtures("wheels")
def test_two_processes_make_one_environment(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from zoo_core.toolkit.foreign import Environment, prepare_environment\n"
        "told = []\n"
        "found = Environment.stated(['made-up==1.0'], None, 'card')\n"
        "prepare_environment(found, Path(sys.argv[1]), told.append)\n"
        "print('making the environment' in told)\n"
    )
    logs = [str(tmp_path / f"{number}.txt") for number in range(2)]
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen([*command, log], stdout=subprocess.PIPE, text=True) for log in logs]
    assert sorted(each.communicate()[0].strip() for each in running) == ["False", "True"]


def test_without_an_installer(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(UnavailableError, match=r"Python 3\.4 is not installed"):
        prepare(tmp_path, python="3.4")
    monkeypatch.setattr(module, "is_installed", lambda _name: False)
    with pytest.raises(UnavailableError, match="neither uv nor pip"):
        prepare(tmp_path, "made-up==1.0")


def test_an_environment_by_uv(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a uv that takes the options of the real one and does its work by venv and pip."""
    uv = tmp_path / "uv"
    uv.write_text(
        f"#!{sys.executable}\n"
        "import subprocess, sys\n"
        "first, *rest = sys.argv[1:]\n"
        "if first == 'venv':\n"
        "    command = ['-m', 'venv', '--without-pip', rest[-1]]\n"
        "else:\n"
        "    python = rest[rest.index('--python') + 1]\n"
        "    others = [word for word in rest if word not in ('--python', python)]\n"
        "    command = ['-m', 'pip', '--python', python, *others]\n"
        "sys.exit(subprocess.run([sys.executable, *command]).returncode)\n"
    )
    uv.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(uv) if name == "uv" else None)
    _, record = prepare(tmp_path, "made-up==1.0")
    assert record["maker"] == "uv"
    assert record["packages"]


def test_the_environment_of_zoo(tmp_path: Path) -> None:
    environment = Environment.stated("installed", None, "card")
    python, record = prepare_environment(environment, tmp_path / "log.txt", print)
    assert (str(python), record["maker"]) == (sys.executable, "installed")
    assert Environment.from_data(environment.to_data()) == environment


@pytest.mark.parametrize(
    ("requirements", "python", "what"),
    [
        (["torch"], None, "'torch' must be NAME==VERSION"),
        (["torch>=2"], None, "must be NAME==VERSION"),
        (["torch==2.*"], None, "must be NAME==VERSION"),
        (["x @ https://example.com/x.whl"], None, "must be NAME==VERSION"),
        (["-r other.txt"], None, "is no requirement"),
        ([7], None, "must be NAME==VERSION"),
        ("torch==2.13.0", None, "must be a list"),
        ([], "3", "must be a version in quotes"),
        ([], 3.11, "must be a version in quotes"),
        ("installed", "3.4", "means zoo's own"),
    ],
)
def test_what_is_not_pinned_is_refused(requirements: Any, python: Any, what: str) -> None:
    with pytest.raises(RegistryError) as caught:
        Environment.stated(requirements, python, "card")
    assert what in caught.value.what


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs Python code as a program of others."""

    def call(code: str, seconds: float = 60) -> tuple[int, str]:
        variables = clean_variables(tmp_path, Path(sys.executable).parent)
        command = [sys.executable, "-c", code]
        limits = Limits(seconds=seconds, name="the command")
        return run_program(command, tmp_path, variables, tmp_path / "log.txt", limits)

    return call


def test_a_program_sees_no_credentials(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "s",
        "HF_TOKEN": "s",
        "GITHUB_TOKEN": "s",
        "SSH_AUTH_SOCK": "/tmp/agent",
        "PIP_INDEX_URL": "https://me:s@example.com",
        "https_proxy": "http://me:s@example.com:1",
        "PYTHONPATH": "/somewhere",
        "LC_TOKEN": "s",
    }
    for name, value in {**secrets, "http_proxy": "http://example.com:1", "LC_TIME": "de"}.items():
        monkeypatch.setenv(name, value)
    code = "import json, os, sys; print(json.dumps({**os.environ, 'stdin': sys.stdin.read()}))"
    status, last = run(code)
    assert status == 0
    log = (tmp_path / "log.txt").read_text().splitlines()[-1]
    seen = json.loads(log)
    assert log.startswith(last)
    assert not seen.keys() & secrets.keys()
    assert (seen["http_proxy"], seen["LC_TIME"], seen["stdin"]) == (
        "http://example.com:1",
        "de",
        "",
    )
    assert seen["HOME"] == str(tmp_path / "home")
    assert seen["CUDA_VISIBLE_DEVICES"] == ""


@pytest.fixture(params=["namespaces", "none"])
def apart(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether programs have namespaces of their own: where they are allowed, and as elsewhere."""
    if request.param == "none":
        monkeypatch.setattr(process_module, "namespaces", tuple)
    elif not process_module.namespaces():
        pytest.skip("this system does not allow namespaces")
    return bool(request.param == "namespaces")


@pytest.mark.parametrize("session", ["", "own"])
@pytest.mark.parametrize("ends", [False, True])
def test_a_program_ends_with_its_children(
    run: Callable[..., tuple[int, str]], apart: bool, session: str, ends: bool
) -> None:
    """At the time limit and when it ends, in whatever session a child is, its parents gone."""
    mark = f"sleeper-{os.getpid()}-{apart}-{session}-{ends}"
    sleeper = f"import time; time.sleep(600)  # {mark}"
    code = (
        "import os, subprocess, sys, time\n"
        "if os.fork() == 0:\n"
        f"    subprocess.Popen([sys.executable, '-c', {sleeper!r}],\n"
        f"                     start_new_session={bool(session)})\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        f"time.sleep({0 if ends else 600})\n"
    )
    if ends:
        assert run(code)[0] == 0
    else:
        with pytest.raises(StageError, match="the command took more than 2 s and was stopped"):
            run(code, seconds=2)
    _wait_for(lambda: not _found(mark))


def _found(mark: str) -> list[int]:
    """The processes whose last word ends with the mark."""
    words = {
        each.pid: (each.info["cmdline"] or [""])[-1] for each in psutil.process_iter(["cmdline"])
    }
    return [pid for pid, word in words.items() if word.endswith(mark)]


_READER = (
    "from pathlib import Path\n"
    "texts = []\n"
    "for place in Path('/proc').glob('[0-9]*/environ'):\n"
    "    try:\n"
    "        texts.append(place.read_bytes())\n"
    "    except OSError:\n"
    "        continue\n"
    "print(len(texts) > 0, any(b'very-secret' in text for text in texts))\n"
)


@pytest.mark.parametrize("apart", ["namespaces"], indirect=True)
@pytest.mark.usefixtures("apart")
def test_the_variables_of_other_processes_cannot_be_read(
    run: Callable[..., tuple[int, str]],
) -> None:
    command = [sys.executable, "-c", "input()"]
    environment = {**os.environ, "HF_TOKEN": "very-secret"}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as other:
        try:
            assert run(_READER) == (0, "True False")
        finally:
            other.kill()


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    limits = Limits(seconds=1, name="x")
    with pytest.raises(StageError, match="cannot be started"):
        run_program([str(tmp_path / "no")], tmp_path, {}, tmp_path / "log.txt", limits)


@pytest.mark.parametrize("said", ["", "\\n\\n", "x" * 9000])
def test_the_last_line_is_short(run: Callable[..., tuple[int, str]], said: str) -> None:
    status, last = run(f"import sys; print('{said}', end=''); sys.exit(5)")
    assert status == 5
    assert last == ("x" * 300 if "x" in said else "no output")


def _wait_for(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_variables_name_no_place_of_the_user(tmp_path: Path) -> None:
    variables = clean_variables(tmp_path, tmp_path / "bin")
    assert variables["PATH"].startswith(f"{tmp_path / 'bin'}{os.pathsep}")
    assert Path(variables["TMPDIR"]).is_dir()
    assert issubclass(StageError, ZooError)
