"""Which programs and which interpreter are called, and what is said where they are missing."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from zoo_vastai.sdk.host import Host, is_importable, run
from zoo_vastai.sdk.interpreter import VARIABLE, Interpreter, ask, find_interpreter
from zoo_vastai.sdk.tools import tools

from zoo_core.errors import UnavailableError, UsageError


def program(folder: Path, name: str, body: str = "exit 0") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bin"


def host(tmp_path: Path, **env: str) -> Host:
    return Host(
        root=tmp_path / "root",
        env={"PATH": str(tmp_path / "bin"), **env},
        has_module=lambda _: False,
        python=str(tmp_path / "this" / "python"),
    )


def test_real_tools_are_those_on_path(tmp_path: Path, path: Path) -> None:
    names = ("vamc", "vamp", "vasmi")
    places = {name: program(path, name) for name in names}
    python = program(tmp_path / "sdk", "python3")

    found = tools("0,1", {"sdk_python": python}, host=host(tmp_path, LANG="C"))

    assert [getattr(found, name) for name in names] == [(places[name],) for name in names]
    assert found.python == (python,)
    assert found.env == {"PATH": str(path), "LANG": "C"}
    assert found.emulated is False


def test_programs_beside_the_sdks_interpreter_are_found(tmp_path: Path) -> None:
    python = program(tmp_path / "sdk", "python3")
    vamc = program(tmp_path / "sdk", "vamc")

    found = tools("0", {"sdk_python": python}, ("vamc", "python"), host(tmp_path))

    assert found.vamc == (vamc,)
    assert found.vamp == ("vamp",)


def test_a_containers_own_vasmi_goes_first(tmp_path: Path, path: Path) -> None:
    program(path, "vasmi")
    inner = program(path, "vasmi_internal")

    assert tools("0", {}, ("vasmi",), host(tmp_path)).vasmi == (inner,)


@pytest.mark.parametrize("missing", ["vamc", "vamp", "vasmi"])
def test_a_missing_program_is_named(tmp_path: Path, path: Path, missing: str) -> None:
    for name in {"vamc", "vamp", "vasmi"} - {missing}:
        program(path, name)

    with pytest.raises(UnavailableError, match=f"the program {missing} is not on PATH") as caught:
        tools("0", {}, (missing,), host(tmp_path))

    assert "--device emulator" in caught.value.next
    assert tools("0", {}, (), host(tmp_path)).env["PATH"] == str(path)


def test_the_interpreter_is_the_options_then_the_variables(tmp_path: Path) -> None:
    option, variable = program(tmp_path / "a", "python3.8"), program(tmp_path / "b", "python3.10")
    machine = host(tmp_path, **{VARIABLE: variable})

    assert tools("0", {"sdk_python": option}, ("python",), machine).python == (option,)
    assert tools("0", {}, ("python",), machine).python == (variable,)


@pytest.mark.parametrize(
    "where",
    [
        "lib/python3.10/site-packages/vaststreamx/__init__.py",
        "lib/python3/dist-packages/vaststreamx/__init__.py",
        "local/lib/python3.8/dist-packages/vaststreamx.cpython-38-x86_64-linux-gnu.so",
    ],
)
def test_python3_on_path_is_taken_where_it_has_the_sdk(
    tmp_path: Path, path: Path, where: str
) -> None:
    python = program(path, "python3")
    assert find_interpreter(host(tmp_path)).source == "this interpreter"

    file = tmp_path / where
    file.parent.mkdir(parents=True)
    file.touch()

    expected = Interpreter(path=python, source="python3 on PATH", has_sdk=True)
    assert find_interpreter(host(tmp_path)) == expected


def test_pythonpath_counts(tmp_path: Path, path: Path) -> None:
    program(path, "python3")
    (tmp_path / "extra" / "vaststreamx").mkdir(parents=True)

    found = find_interpreter(host(tmp_path, PYTHONPATH=str(tmp_path / "extra")))

    assert found.source == "python3 on PATH"


def test_only_asking_tells_of_a_named_interpreter(tmp_path: Path) -> None:
    with_sdk = program(tmp_path / "a", "python3", "exit 0")
    without = program(tmp_path / "b", "python3", "exit 3")
    machine = host(tmp_path)

    assert find_interpreter(machine, with_sdk).has_sdk is None
    assert ask(machine, find_interpreter(machine, with_sdk)).has_sdk is True
    assert ask(machine, find_interpreter(machine, without)).has_sdk is False
    with pytest.raises(UnavailableError, match=r"\(option sdk_python\) has no vaststreamx"):
        tools("0", {"sdk_python": without}, ("python",), machine)


def test_a_real_interpreter_is_asked(tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    (folder / "vaststreamx").mkdir(parents=True)
    machine = host(tmp_path, PYTHONPATH=str(folder))
    named = find_interpreter(machine, sys.executable)

    assert ask(machine, named).has_sdk is True
    (folder / "vaststreamx").rmdir()
    assert ask(machine, named).has_sdk is False


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone" / "python")

    for options, env in (({"sdk_python": gone}, {}), ({}, {VARIABLE: gone})):
        with pytest.raises(UnavailableError, match=r"gone/python .* is not a program"):
            tools("0", options, ("python",), host(tmp_path, **env))
    with pytest.raises(UnavailableError, match="sdk_python=PATH or ZOO_VASTAI_PYTHON"):
        tools("0", {}, ("python",), host(tmp_path))


def test_the_device_files_runs_nothing() -> None:
    with pytest.raises(UsageError, match="stored outputs"):
        tools("files", {})


def test_the_emulators_tools_are_this_interpreters() -> None:
    found = tools("emulator", {"sdk_python": "/not/asked"})

    assert found.emulated is True
    assert found.vamp == (sys.executable, "-m", "zoo_vastai_emulator.vamp")
    assert found.python == (sys.executable,)
    machine = Host(env=found.env)
    for name in ("vamc", "vamp", "vasmi"):
        launcher = machine.which(name)
        assert launcher is not None
        assert "emulator" in launcher
    assert ask(machine, find_interpreter(machine, sys.executable)).has_sdk is True


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {mark}; echo begun; wait"

    outcome = run(("/bin/sh", "-c", script), 0.5)

    assert outcome.code is None
    assert outcome.trouble == "gave no answer within 0.5 s"
    assert outcome.text == "begun\n"
    assert gone(int(mark.read_text(encoding="ascii")))


def gone(process: int) -> bool:
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{process}/stat")
        if state.exists() and state.read_text(encoding="ascii").split(")")[-1].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_how_a_command_ended_is_kept(tmp_path: Path) -> None:
    failed = run(("/bin/sh", "-c", "echo out; echo one >&2; echo two >&2; exit 3"), 10)
    assert (failed.code, failed.text, failed.last_line) == (3, "out\n", "two")

    killed = run(("/bin/sh", "-c", "kill -11 $$"), 10)
    assert (killed.code, killed.last_line) == (-signal.SIGSEGV, "no output")

    absent = run((str(tmp_path / "absent"),), 10)
    assert absent.code is None
    assert absent.trouble.startswith("cannot be started")

    here = run((sys.executable, "-c", "import os; print(os.getcwd())"), 10, None, tmp_path)
    assert here.text.strip() == str(tmp_path.resolve())


def test_files_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    machine = Host(root=tmp_path)
    os.mkfifo(tmp_path / "pipe")

    assert machine.text("/absent") is None
    assert machine.text("/") is None
    assert machine.text("/pipe") == ""
    assert machine.names("/absent") == ()


def test_modules_are_found_without_importing() -> None:
    assert is_importable("zoo_vastai")
    assert not is_importable("no_such_module_here")
    assert not is_importable("no_such_package.inside")
