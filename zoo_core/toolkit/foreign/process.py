"""A program of others, run as a process group that ends with zoo and sees no credentials."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

WATCH = "ZOO_WATCH"
"""The variable that holds the descriptor of a pipe, whose end says that zoo has ended."""

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
    Raises StageError for a program that takes too long or cannot be started.
    """
    reading, writing = os.pipe()
    try:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"$ {' '.join(command)}\n")
            stream.flush()
            began = stream.tell()
            try:
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env={**variables, WATCH: str(reading)},
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(reading,),
                )
            except OSError as error:
                what = f"cannot be started: {error.strerror}"
                raise StageError(what, where=command[0]) from error
            status = _waited(process, limits)
    finally:
        os.close(reading)
        os.close(writing)
    return status, _last_line(log, began)


def _waited(process: subprocess.Popen[bytes], limits: Limits) -> int:
    try:
        return waited(process, limits)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
