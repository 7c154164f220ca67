from __future__ import annotations

import _thread
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from zoo_vastai.compile.complaints import last_words
from zoo_vastai.compile.program import Program, signal_of
from zoo_vastai.compile.vamc import complaint, results_folder, snapshot

from zoo_core.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def python(folder: Path, source: str, timeout: float = 30.0) -> Program:
    return Program(
        command=(sys.executable, "-c", source), folder=folder, env=os.environ, timeout=timeout
    )


def test_all_it_says_is_kept_and_told_in_order(tmp_path: Path) -> None:
    told: list[str] = []
    source = (
        "import sys\nprint('one', flush=True)\nprint('two', file=sys.stderr)\n"
        "sys.stdout.buffer.write(b'\\xff three')"
    )

    ending = python(tmp_path, source).run(tmp_path / "log", told.append)

    assert ending.good
    assert told == ["one", "two", "� three"]
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n\xff three"


@pytest.mark.parametrize(
    ("source", "code", "name"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("import os; os.kill(os.getpid(), 11)", -11, "SIGSEGV"),
        ("raise SystemExit(139)", 139, "SIGSEGV"),
        ("raise SystemExit(255)", 255, ""),
    ],
)
def test_its_end_is_understood(tmp_path: Path, source: str, code: int, name: str) -> None:
    ending = python(tmp_path, source).run(tmp_path / "log", lambda _: None)

    assert (ending.code, ending.signal, ending.timed_out, ending.good) == (code, name, False, False)
    assert signal_of(code) == name


FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def gone(number: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(number).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_when_time_runs_out_it_ends_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo_vastai.compile.program._GRACE", 0.5)
    told: list[str] = []

    ending = python(tmp_path, FAMILY, timeout=2.0).run(tmp_path / "log", told.append)

    assert ending.timed_out
    assert not ending.good
    assert gone(int(told[0]))


def test_ctrl_c_ends_it_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No real signal is sent: after native libraries of other tests the kernel may find no stack
    to deliver one on, and then ends the whole test run (seen in core files).
    """
    monkeypatch.setattr("zoo_vastai.compile.program._GRACE", 0.5)
    told: list[str] = []

    def interrupt(line: str) -> None:
        told.append(line)
        _thread.interrupt_main()

    with pytest.raises(KeyboardInterrupt):
        python(tmp_path, FAMILY).run(tmp_path / "log", interrupt)

    assert gone(int(told[0]))


ORPHAN = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}])
print(child.pid, flush=True)
"""


@pytest.mark.parametrize(
    "child",
    [
        "import time; time.sleep(600)",
        "import os, time; os.close(1); os.close(2); time.sleep(600)",
        "import time\nwhile True: print('still here', flush=True); time.sleep(0.5)",
    ],
    ids=["silent", "without the pipe", "now and then"],
)
def test_a_child_neither_holds_us_nor_is_left_behind(tmp_path: Path, child: str) -> None:
    told: list[str] = []

    ending = python(tmp_path, ORPHAN.format(child=child)).run(tmp_path / "log", told.append)

    assert ending.good
    assert gone(int(told[0]))


def test_the_last_words_are_kept_where_it_ends_between_two_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at the process takes as long here as the process itself."""
    monkeypatch.setattr(subprocess.Popen, "poll", lambda process: process.wait())
    source = "import time; time.sleep(1); print('TVMError: kDLFloat\\nbye'); raise SystemExit(3)"
    told: list[str] = []

    ending = python(tmp_path, source).run(tmp_path / "log", told.append)

    assert ending.code == 3
    assert told == ["TVMError: kDLFloat", "bye"]
    assert (tmp_path / "log").read_text(encoding="utf-8") == "TVMError: kDLFloat\nbye\n"


def test_what_cannot_be_started_is_unavailable(tmp_path: Path) -> None:
    program = Program(command=("/nowhere/vamc",), folder=tmp_path, env={}, timeout=1)

    with pytest.raises(UnavailableError, match="/nowhere/vamc cannot be started"):
        program.run(tmp_path / "log", lambda _: None)


TVM = """\
03/07/2023 10:08:00 - vamc - INFO     - loading
03/07/2023 10:08:00 - vamc - ERROR    - err info: Traceback (most recent call last):
  File "/x/vamc.py", line 3, in build
tvm._ffi.base.TVMError: Traceback (most recent call last):
  [bt] (0) libtvm.so(+0x12)
  File "/jenkins/workspace/src/relay.cc", line 2152
TVMError: an internal invariant was violated while typechecking your program
/jenkins/workspace/src/relay.cc:2152: Check failed: (reporter->AssertEQ) is false: shapes differ
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (TVM, "TVMError: Check failed: (reporter->AssertEQ) is false: shapes differ"),
        ("a\nTVMError: kDLFloat\n", "TVMError: kDLFloat"),
        ("a\n03/07/2023 10:08:00 - vamc - ERROR    - no such config\nbye\n", "no such config"),
        ("ValueError: 3 is not 4\nbye\n", "ValueError: 3 is not 4"),
        ("one\ntwo\n-----\n\n", "two"),
        ("\n", ""),
        ("", ""),
    ],
)
def test_the_last_words_are_one_telling_line(log: str, words: str) -> None:
    assert last_words(log) == words


def test_last_words_have_an_end() -> None:
    assert len(last_words("TVMError: " + "x" * 5000)) <= 240


def written(folder: Path, **contents: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / f"mod.{name}").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ({"json": "{}", "so": "x", "params": "y"}, ""),
        ({"json": "{}", "params": "y"}, "left no mod.so"),
        ({}, "left no mod.json, mod.so, mod.params"),
        ({"json": "{}", "so": "", "params": "y"}, "left an empty mod.so"),
    ],
)
def test_all_three_files_must_be_there_and_filled(
    tmp_path: Path, contents: dict[str, Any], words: str
) -> None:
    assert complaint(written(tmp_path / "new", **contents), {}) == words


def test_files_of_an_earlier_build_are_told(tmp_path: Path) -> None:
    folder = written(tmp_path / "new", json="{}", so="x", params="y")
    before = snapshot(folder)

    assert complaint(folder, before) == (
        "left mod.json, mod.so, mod.params of an earlier build as it was"
    )
    time.sleep(0.02)
    written(folder, json="{}", so="x")
    assert complaint(folder, before) == "left mod.params of an earlier build as it was"


def test_results_are_found_where_an_sdk_names_the_folder_otherwise(tmp_path: Path) -> None:
    three = {"json": "{}", "so": "x", "params": "y"}
    other = written(tmp_path / "m-int8-max-1_3_64_64-vacc", **three)

    assert results_folder(tmp_path, "m") == other
    usual = written(tmp_path / "m", **three)
    assert results_folder(tmp_path, "m") == usual
    written(tmp_path / "second", **three)
    assert results_folder(tmp_path, "third") == tmp_path / "third"
