"""A program of others, run as a process group that ends with zoo and sees no credentials."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from zoo_core.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

WATCH = "ZOO_WATCH"
"""The variable that holds the descriptor of a pipe, whose end says that zoo has ended."""

MARK = "ZOO_PROGRAM"
"""The variable that a program and its children have, and no other process."""

_PASSED = frozenset(
    (
        *("LANG", "LANGUAGE", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES"),
        *("LC_MONETARY", "LC_NUMERIC", "LC_TIME"),
        *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "no_proxy", "NO_PROXY"),
    )
)
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_TAIL = 4096
_BEAT = 10.0
_APART = ("--user", "--map-current-user", "--pid", "--fork", "--kill-child")
_INIT = ("sh", "-c", '"$@"; exit $?', "sh")
"""The first process of a namespace, which some signals do not end, is not the command itself."""
_SIGNALLED = range(129, 193)
_TRIAL = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a program may take, in seconds, and what it is called in a message.

    `beat` hears every ten seconds for how long it has run.
    """

    seconds: float
    name: str
    beat: Callable[[float], object] = lambda _seconds: None


def clean_variables(folder: Path, programs: Path) -> dict[str, str]:
    """Environment variables without the user's: a home and a temporary folder inside `folder`.

    `programs` goes first in PATH. Proxies pass if they hold no name and password.
    """
    home, temporary = folder / "home", folder / "tmp"
    for each in (home, temporary):
        each.mkdir(exist_ok=True)
    own = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED or (name in _PROXIES and "@" not in value)
    }
    return {
        **own,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONNOUSERSITE": "1",
    }


def run_program(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], log: Path, limits: Limits
) -> tuple[int, str]:
    """The exit status and the last line; all that the program says goes to the log.

    It runs in `folder` without input, and is killed with its children at the time limit, when
    this function is left, and (if it watches the pipe that WATCH names) when this process ends.
    Where `namespaces` are allowed it reads no variables or memory of the user's other processes.
    Raises StageError for a program that takes too long or cannot be started.
    """
    reading, writing = os.pipe()
    mark, apart = uuid.uuid4().hex, namespaces()
    if shutil.which(command[0], path=variables.get("PATH")) is None:
        raise StageError("cannot be started: no such program", where=command[0])
    try:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"$ {' '.join(command)}\n")
            stream.flush()
            began = stream.tell()
            try:
                process = subprocess.Popen(
                    [*apart, *command],
                    cwd=folder,
                    env={**variables, WATCH: str(reading), MARK: mark},
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(reading,),
                )
            except OSError as error:
                what = f"cannot be started: {error.strerror}"
                raise StageError(what, where=command[0]) from error
            status = _waited(process, limits, "" if apart else mark)
    finally:
        os.close(reading)
        os.close(writing)
    if apart and status in _SIGNALLED:  # as a shell tells a signal
        status = 128 - status
    return status, _last_line(log, began)


@cache
def namespaces() -> tuple[str, ...]:
    """The words before a command that give it namespaces of its own for users and processes.

    In a user namespace no process outside can be read (`/proc/PID/environ`) or traced, and a
    process namespace ends with its first process, whatever sessions its members began. Empty where
    the program `unshare` is missing or the system, such as many a container, does not allow it.
    """
    program = shutil.which("unshare") if sys.platform == "linux" else None
    if program is None:
        return ()
    for further in (("--mount-proc",), ()):
        words = (program, *_APART, *further, *_INIT)
        with suppress(OSError, subprocess.TimeoutExpired):
            trial = [*words, sys.executable, "-I", "-S", "-c", ""]
            done = subprocess.run(trial, check=False, capture_output=True, timeout=_TRIAL)
            if done.returncode == 0:
                return words
    return ()


def _waited(process: subprocess.Popen[bytes], limits: Limits, mark: str) -> int:
    try:
        return waited(process, limits)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while mark and _kill_marked(mark):
            time.sleep(0.01)  # until those that it has just started are found too


def _kill_marked(mark: str) -> bool:
    """Whether there was a process that carries the mark: those of a session of their own."""
    import psutil

    found = False
    for each in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if each.environ().get(MARK) == mark and each.status() != psutil.STATUS_ZOMBIE:
                each.kill()
                found = True
    return found


def waited(process: subprocess.Popen[bytes], limits: Limits) -> int:
    """The exit status; raises StageError at the time limit, and leaves the process running."""
    began = time.monotonic()
    while (spent := time.monotonic() - began) < limits.seconds:
        try:
            return process.wait(min(_BEAT, limits.seconds - spent))
        except subprocess.TimeoutExpired:
            limits.beat(time.monotonic() - began)
    raise StageError(f"{limits.name} took more than {limits.seconds:.0f} s and was stopped")


def _last_line(log: Path, began: int) -> str:
    with log.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(began, size - _TAIL))
        lines = stream.read().decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else "no output"
