"""A vendor's program, run to its end: its words kept, its death understood, never left behind."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from zoo_core.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_TICK = 0.2
_GRACE = 5.0
_SHELL = 128
"""What a shell adds to the number of the signal that killed its child."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a program ended: its exit code, the signal that killed it, or that time ran out."""

    code: int
    signal: str = ""
    timed_out: bool = False

    @property
    def good(self) -> bool:
        """Whether it ended by itself with 0."""
        return self.code == 0 and not self.timed_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A command, where it runs, and how many seconds it may take."""

    command: tuple[str, ...]
    folder: Path
    env: Mapping[str, str]
    timeout: float

    def run(self, log: Path, on_line: Callable[[str], None]) -> Ending:
        """Run it; all that it says goes to `log` as it comes, line by line to `on_line`.

        Time that runs out, Ctrl-C and any other error end it with all its children. Raises
        UnavailableError where it cannot be started.
        """
        process = self._start()
        group = process.pid
        try:
            ended = self._follow(process, log, on_line)
        except BaseException:
            _kill(process, group)
            raise
        if ended:
            _kill_rest(group)
        else:
            _kill(process, group)
        code = process.wait()
        return Ending(code=code, signal=signal_of(code) if ended else "", timed_out=not ended)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError(
                f"{self.command[0]} cannot be started: {error.strerror}",
                next="install the vendor's SDK, or use --device emulator",
            ) from error

    def _follow(
        self, process: subprocess.Popen[bytes], log: Path, on_line: Callable[[str], None]
    ) -> bool:
        """Whether it ended in time."""
        lines: queue.Queue[bytes | None] = queue.Queue()
        assert process.stdout is not None
        threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
        deadline = time.monotonic() + self.timeout
        with log.open("ab") as stream:

            def keep(line: bytes) -> None:
                stream.write(line)
                stream.flush()
                on_line(line.decode("utf-8", "replace").strip())

            while time.monotonic() < deadline:
                try:
                    line = lines.get(timeout=_TICK)
                except queue.Empty:
                    if process.poll() is not None:
                        _drain(lines, keep)
                        return True
                    continue
                if line is None:
                    return _ended(process, deadline)
                keep(line)
        return False


def signal_of(code: int) -> str:
    """The name of the signal that an exit code stands for, such as SIGSEGV; else nothing."""
    number = -code if code < 0 else code - _SHELL
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _ended(process: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return False
    return True


def _drain(lines: queue.Queue[bytes | None], keep: Callable[[bytes], None]) -> None:
    """Keep what came since the last look; a child that still holds the pipe may go on for long."""
    enough = time.monotonic() + _GRACE
    with suppress(queue.Empty):
        while time.monotonic() < enough and (line := lines.get(timeout=_TICK)) is not None:
            keep(line)


def _read(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _kill(process: subprocess.Popen[bytes], group: int) -> None:
    """Ask the whole group to end, then make it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue
        if number == signal.SIGTERM:
            _kill_rest(group)
        return


def _kill_rest(group: int) -> None:
    """Children that outlived the program they belong to."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
