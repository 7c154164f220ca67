"""The program as a process: Ctrl-C at any moment, streams that cannot be written, loud plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

INTERRUPT_AT_AN_IMPORT = """
import os, signal, sys
class Count:
    left = {moment}
    def find_spec(self, name, path=None, target=None):
        Count.left -= 1
        if Count.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Count())
sys.argv = ["zoo", "models"]
from zoo_core.cli import script
script()
"""
INTERRUPT_AFTER_THE_REPORT = """
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv = ["zoo", "--version"]
from zoo_core.cli import script
script()
"""
UNBUFFERED = """
import sys
sys.stdout.reconfigure(write_through=True)
from zoo_core.cli import script
script()
"""
SWALLOW = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass
except BaseException:
    pass
"""
LOUD = """
import os, sys
print("to stdout")
os.write(1, b"to the descriptor\\n")
os.system("echo from a child")
"""


@pytest.fixture(autouse=True)
def _alone(zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    for name in ("ZOO_REGISTRY", "ZOO_DEBUG"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str, program: str = "", **settings: object) -> subprocess.CompletedProcess[str]:
    start = ["-c", program] if program else ["-m", "zoo_core"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        check=False,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings},  # type: ignore[call-overload]
    )


def plugin(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(f"{name}.py").write_text(text)
    monkeypatch.setenv("ZOO_PLUGINS", f"{name},zoo_core.testing.toy")


@pytest.mark.parametrize("moment", [4, 10, 40, 100, 200])
def test_ctrl_c_while_modules_are_imported_is_one_line(moment: int) -> None:
    """The first three are `zoo_core`, its `__future__` and `zoo_core.cli`: nothing long."""
    done = run(program=INTERRUPT_AT_AN_IMPORT.format(moment=moment))

    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "zoo: interrupted; the next run resumes here\n"


def test_ctrl_c_after_the_last_line_changes_nothing() -> None:
    done = run(program=INTERRUPT_AFTER_THE_REPORT)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("zoo ")


@pytest.mark.parametrize("then", ["", "raise AttributeError('half a module')", "import nowhere"])
def test_ctrl_c_that_a_plugin_swallows_ends_the_program(
    then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin("swallows", SWALLOW + then, monkeypatch)

    done = run("backends", "--json")

    assert done.returncode == 130
    assert done.stderr.endswith("zoo: interrupted; the next run resumes here\n")


@pytest.mark.parametrize(
    "text", ["raise KeyboardInterrupt", "raise GeneratorExit", "raise BaseException('x')"]
)
def test_a_plugin_that_ends_everything_is_a_line_of_the_list(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin("ends", text, monkeypatch)

    done = run("plugins", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    rows = {row["name"]: row for row in json.loads(done.stdout)["plugins"]}
    assert rows["ends"]["failure"].startswith(text.split()[1].partition("(")[0])
    assert rows["zoo_core.testing.toy"]["failure"] is None


@pytest.mark.parametrize("verb", ["plugins", "models", "backends", "doctor"])
def test_a_plugin_that_prints_does_not_spoil_json(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin("loud", LOUD, monkeypatch)

    done = run(verb, "--json")

    assert json.loads(done.stdout)["schema"].startswith("zoo.")
    for line in ("to stdout", "to the descriptor", "from a child"):
        assert line in done.stderr


@pytest.mark.parametrize("arguments", [("models",), ("models", "--json"), ("--help",)])
def test_a_full_stdout_is_one_line(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(*arguments, stdout=full)

    assert done.returncode == 6
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("zoo: ")


def test_a_closed_stdout_is_one_line() -> None:
    done = run("models", stdout=None, preexec_fn=lambda: os.close(1))

    assert done.returncode == 6
    assert done.stderr == "zoo: stdout: is closed; open it, or send it to /dev/null\n"


@pytest.mark.parametrize("verb", ["models", "doctor", "--help"])
def test_a_pipe_that_nobody_reads_changes_no_exit_code(verb: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    done = run(verb, program=UNBUFFERED, stdout=writer)
    missing = run("show", "nothing", "--json", stdout=writer)

    assert (done.returncode, done.stderr) == (0, "")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    os.close(writer)


@pytest.mark.parametrize("closed", [True, False])
def test_a_stderr_that_cannot_be_written_changes_no_exit_code(closed: bool) -> None:
    asked = ("run", "toy-detector", "--backend", "toy", "--assets", "sample", "--no-bench")
    with Path("/dev/full").open("w") as full:
        stderr = {"preexec_fn": lambda: os.close(2)} if closed else {"stderr": full}

        done = run(*asked, "--json", "-", **stderr)
        missing = run("run", "nothing", "--json", "-", **stderr)

    assert done.returncode == 0
    assert json.loads(done.stdout)["schema"] == "zoo.run/1"
    assert missing.returncode == 2
    assert json.loads(missing.stdout)["schema"] == "zoo.error/1"


def test_a_working_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()

    done = run("models", cwd=tmp_path / "gone", preexec_fn=(tmp_path / "gone").rmdir)

    assert done.returncode == 6
    assert done.stderr == "zoo: the working folder is gone; change to another one\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "toy-detector", "pictures", "--output", "x" * 300),
        ("run", "toy-detector", "--assets", "sample", "--output", "x" * 300),
        ("run", "toy-detector", "--images", "x" * 300, "--annotations", "y" * 300),
        ("run", "toy-detector", "--weights", "x" * 300),
        ("run", "toy-detector", "--names", "x" * 300),
    ],
)
def test_a_name_that_is_too_long_is_one_line(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, "--json", "-")

    assert done.returncode in (2, 6)
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["schema"] == "zoo.error/1"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--batch", "1" + "0" * 30),
        ("--limit", "1" + "0" * 30),
        ("--calibration-images", "1" + "0" * 30),
        ("--size", f"{10**30},416"),
        ("--size", "65537,416"),
        ("--weights", f"random:{10**30}"),
    ],
)
def test_a_number_without_sense_is_refused(option: str, value: str) -> None:
    done = run("plan", "toy-detector", "--backend", "toy", option, value)

    assert done.returncode == 2
    assert done.stderr.startswith(f"zoo: {option}: ")
    assert done.stderr.count("\n") == 1


def test_control_characters_never_reach_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin("sets", "raise ValueError('\\x1b]0;owned\\x07 \\u202e\\x9b2J')", monkeypatch)

    for arguments in (("plugins",), ("models",), ("run", "\x1b[2Jmodel"), ("run", "a\rb\u2066")):
        done = run(*arguments)
        text = done.stdout + done.stderr
        assert not set(text) & set("\x1b\x07\x9b\r\u202e\u2066")
    assert "\\x1b]0;owned\\x07 \\u202e\\x9b2J" in run("plugins").stdout


@pytest.mark.parametrize("option", ["--annotations", "--images", "--names", "--calibration"])
def test_what_may_not_be_read_is_data(option: str, tmp_path: Path) -> None:
    limited: list[str] = []
    if os.geteuid() == 0:  # who may read everything
        drop = "=-dac_override,-dac_read_search"
        limited = ["setpriv", f"--bounding-set{drop}", f"--inh-caps{drop}"]
    path = tmp_path / "mine"
    path.mkdir() if option in ("--images", "--calibration") else path.touch()
    path.chmod(0)
    given = {"--annotations": str(tmp_path), "--images": str(tmp_path), option: str(path)}
    pairs = [word for pair in given.items() for word in pair]
    command = [*limited, sys.executable, "-m", "zoo_core", "plan", "toy-detector"]
    options = ["--backend", "toy", "--weights", "random", "--precision", "int8", *pairs]
    try:
        done = subprocess.run([*command, *options], check=False, text=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("root without setpriv")
    finally:
        path.chmod(0o700)

    assert done.returncode == 6, done.stderr
    assert done.stderr.count("\n") == 1
