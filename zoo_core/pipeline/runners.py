"""Runners of a stage's function: in this process, or in a worker process."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from zoo_core.api import StageContext, StageServices
from zoo_core.errors import StageError
from zoo_core.pipeline.store import LOG
from zoo_core.pipeline.watchdog import watching

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Providers, Sessions, Stage
    from zoo_core.pipeline.store import StageStore


_EXIT_SECONDS = 10.0

_STEP = "a library that it calls has failed: try another --backend, --precision or version of it"
_STEPS: dict[int, str] = {signal.SIGKILL: "look for out-of-memory messages in the system log"}
"""What to do next where a stage's process ended by itself."""

_PROGRAM = """
import sys
sys.path[:] = sys.argv[2:]
from zoo_core.pipeline.worker import main
main(sys.argv[1])
"""
"""A worker's program: it imports from where this process does, and from no other folder."""


@dataclass(frozen=True, slots=True)
class StageJob:
    """One stage to run, as data that can be pickled: it holds names within a store, not paths.

    `inputs` maps an argument to key and file of an earlier result; `work` is the name of the folder
    to fill.
    """

    stage: Stage
    key: str
    inputs: Mapping[str, tuple[str, str]]
    work: str

    def context(self, store: StageStore, services: StageServices) -> StageContext:
        """The argument of the stage's function, in a process that has access to the store."""
        out = store.work_folder(self.work)
        return StageContext(
            inputs={arg: store.folder(key) / file for arg, (key, file) in self.inputs.items()},
            params=self.stage.params,
            locations=self.stage.locations,
            out=out,
            log=out / LOG,
            resume_dir=store.resume_dir(self.key),
            progress=services.progress,
            plugins=services.plugins,
            sessions=services.sessions,
        )


class StageMonitor(Protocol):
    """What a runner reports while a stage runs; called from any thread."""

    def advanced(self, done: float, total: float, note: str = "") -> None:
        """The stage has finished `done` of `total` units."""

    def stalled(self, seconds: float) -> None:
        """The stage has reported nothing for `seconds`; its log holds the stacks of all threads."""


class StageRunner(Protocol):
    """Runs one stage at a time."""

    def run(self, job: StageJob, monitor: StageMonitor) -> None:
        """Fill the job's folder; raises what the stage's function raises."""

    def stop(self) -> None:
        """End the running stage and run no other; called from another thread."""


class LocalRunner:
    """Runs stages in this process, one after the other; see `StageRunner`."""

    def __init__(self, store: StageStore, plugins: Providers, sessions: Sessions) -> None:
        """`sessions` are shared by all stages that it runs."""
        self._store, self._plugins, self._sessions = store, plugins, sessions

    def run(self, job: StageJob, monitor: StageMonitor) -> None:
        """Call the stage's function, and report stalls."""
        with watching(self._store.work_folder(job.work) / LOG, monitor.stalled) as beat:

            def progress(done: float, total: float, note: str = "") -> None:
                beat()
                monitor.advanced(done, total, note)

            services = StageServices(self._plugins, self._sessions, progress)
            module, _, function = job.stage.run.partition(":")
            getattr(import_module(module), function)(job.context(self._store, services))

    def stop(self) -> None:
        """Does nothing: a function in this process cannot be ended."""


class WorkerRunner:
    """Runs stages in a worker process, which starts with the first stage; see `StageRunner`.

    The process receives only the store's folder and pickled jobs, and loads the installed plugins
    itself. With `fresh` each stage gets a new process.
    """

    def __init__(self, store: StageStore, fresh: bool = False) -> None:
        """No process is started yet; `close` ends it."""
        self._store, self._fresh = store, fresh
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self, job: StageJob, monitor: StageMonitor) -> None:
        """Send the job, pass on the events of the process, and raise the error it raised."""
        process = self._start()
        try:
            _send(process.stdin, job)
            while (message := _receive(process.stdout)) is not None:
                kind, *values = message
                if kind == "ended":
                    break
                getattr(monitor, kind)(*values)
            else:
                raise self._ended_early(process)
        finally:
            if self._fresh:
                self.close()
        error, trace = values
        if error is not None:
            raise error from _WorkerTraceback(trace)

    def stop(self) -> None:
        """Kill the process."""
        self._stopped = True
        if self._process is not None:
            _kill(self._process)

    def close(self) -> None:
        """End the idle process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:  # threads of native libraries can hang there
            _kill(process)
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._stopped:
            raise KeyboardInterrupt
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            folders = [str(Path(path).absolute()) for path in sys.path]
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(self._store.root), *folders],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the command, which ends this process
            )
            if self._stopped:  # while it was being started
                _kill(self._process)
        return self._process

    def _ended_early(self, process: subprocess.Popen[bytes]) -> BaseException:
        if self._stopped:
            return KeyboardInterrupt()
        code = process.wait()
        _kill(process)
        return StageError(f"its process ended with {_ending(code)}", next=_STEPS.get(-code, _STEP))


def _ending(code: int) -> str:
    """An exit code, or the signal that a negative one stands for."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {-code} ({signal.Signals(-code).name}: {signal.strsignal(-code)})"
    return f"signal {-code}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and what its stages have started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class _WorkerTraceback(Exception):
    """The traceback of the worker process, printed as the cause of the error raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(f"\n{text}")


def _send(stream: IO[bytes] | None, value: object) -> None:
    if stream is not None:
        with suppress(BrokenPipeError):  # the process has ended; `_receive` reports it
            pickle.dump(value, stream)
            stream.flush()


def _receive(stream: IO[bytes] | None) -> tuple[Any, ...] | None:
    """The next message; None at the end of the stream."""
    try:
        message: tuple[Any, ...] = pickle.load(stream) if stream else ()
    except (EOFError, pickle.UnpicklingError, ValueError):
        return None
    return message
