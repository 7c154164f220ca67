"""The little of a machine that looking for a card needs, so that tests can put another in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended; `code` is None where it could not start or ran out of time.

    `text` is its standard output, `errors` its standard error, as far as it came.
    """

    code: int | None
    text: str = ""
    errors: str = ""
    trouble: str = ""

    @property
    def last_line(self) -> str:
        """The last line that it said, errors going first."""
        for output in (self.errors, self.text):
            lines = [line for line in output.splitlines() if line.strip()]
            if lines:
                plain = "".join(letter if letter.isprintable() else " " for letter in lines[-1])
                return plain.strip()[:200]
        return "no output"


def run(
    argv: Sequence[str],
    timeout: float,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Outcome:
    """Run a command in a folder for at most `timeout` seconds and keep what it says; never raises.

    The command is its own session, so that what it started ends with it.
    """
    try:
        with subprocess.Popen(
            list(argv),
            env=None if env is None else dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            return _finish(process, timeout)
    except (OSError, ValueError) as error:
        return Outcome(code=None, trouble=f"cannot be started: {error}")


def _finish(process: subprocess.Popen[bytes], timeout: float) -> Outcome:
    trouble = ""
    try:
        out, err = process.communicate(timeout=max(timeout, 0.001))
    except subprocess.TimeoutExpired:
        trouble = f"gave no answer within {timeout:.3g} s"
        out, err = _end(process)
    except BaseException:  # an interrupt must not leave it running
        _end(process)
        raise
    return Outcome(
        code=None if trouble else process.returncode,
        text=out.decode("utf-8", "replace"),
        errors=err.decode("utf-8", "replace"),
        trouble=trouble,
    )


def _end(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Kill the command's session; what it had said, unless something still holds its pipes."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (OSError, AttributeError):  # it is gone, or there are no groups here
        process.kill()
    try:
        return process.communicate(timeout=0.2)
    except subprocess.TimeoutExpired:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        return b"", b""


def is_importable(module: str) -> bool:
    """Whether this interpreter would find the module; nothing is imported."""
    try:
        return find_spec(module) is not None
    except (ValueError, ImportError):  # it stands in sys.modules without a spec
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Files below `root`, environment, commands, and this interpreter with its modules."""

    root: Path = Path("/")
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    run: Callable[[Sequence[str], float, Mapping[str, str] | None], Outcome] = run
    has_module: Callable[[str], bool] = is_importable
    python: str = sys.executable

    def names(self, folder: str) -> tuple[str, ...]:
        """Names in a folder such as "/dev", sorted; none where it cannot be read."""
        try:
            return tuple(sorted(path.name for path in self.path(folder).iterdir()))
        except OSError:
            return ()

    def text(self, file: str, limit: int = 65536) -> str | None:
        """The first `limit` bytes of a file as text, None where it cannot be read.

        Devices are files too: reading never waits for one that has nothing to say.
        """
        try:
            number = os.open(self.path(file), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return None
        try:
            return os.read(number, limit).decode("utf-8", "replace")
        except OSError:
            return None
        finally:
            os.close(number)

    def which(self, program: str) -> str | None:
        """The program's path, from PATH."""
        return shutil.which(program, path=self.env.get("PATH", os.defpath))

    def path(self, name: str) -> Path:
        """Where the absolute path `name` lies under `root`."""
        return self.root / name.lstrip("/")
