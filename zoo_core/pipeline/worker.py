"""The program of a worker process, which runs the stages that `WorkerRunner` sends.

Pickled jobs come in on stdin. Messages go out on stdout: ("advanced", done, total, note),
("stalled", seconds) and, after each job, ("ended", error or None, traceback). A stage sees neither:
its stdin is empty, and what it prints goes to stderr. The process ends with its stdin, also in the
middle of a stage, and then takes along what the stage has started.
"""

from __future__ import annotations

import os
import pickle
import signal
import traceback
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import IO, TYPE_CHECKING

from zoo_core.errors import StageError, first_line
from zoo_core.pipeline.runners import LocalRunner
from zoo_core.pipeline.sessions import SessionPool
from zoo_core.pipeline.store import Store
from zoo_core.plugins.manager import Plugins

if TYPE_CHECKING:
    from zoo_core.pipeline.runners import StageJob


class _Channel:
    """Sends messages to the parent process; thread-safe."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._lock = stream, Lock()

    def advanced(self, done: float, total: float, note: str = "") -> None:
        self._send("advanced", done, total, note)

    def stalled(self, seconds: float) -> None:
        self._send("stalled", seconds)

    def ended(self, error: BaseException | None) -> None:
        text = "".join(traceback.format_exception(error)) if error else ""
        self._send("ended", error and _portable(error), text)

    def _send(self, *message: object) -> None:
        with self._lock:
            pickle.dump(message, self._stream)
            self._stream.flush()


def main(root: str) -> None:
    """Run jobs from stdin until it ends; `root` is the store's folder."""
    messages = os.dup(1)
    channel = _Channel(os.fdopen(messages, "wb"))
    source = os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    _empty(0, os.O_RDONLY)
    os.register_at_fork(after_in_child=lambda: _empty(messages, os.O_WRONLY))
    jobs: SimpleQueue[StageJob | None] = SimpleQueue()
    busy = Event()
    Thread(target=_read, args=(source, jobs, busy), daemon=True).start()
    store = Store(Path(root))
    with SessionPool() as sessions:
        runner = LocalRunner(store, Plugins.installed(), sessions)
        while (job := jobs.get()) is not None:
            busy.set()
            failure: BaseException | None = None
            try:
                runner.run(job, channel)
            except BaseException as error:  # sent to the parent process
                failure = error
            busy.clear()
            channel.ended(failure)


def _empty(descriptor: int, flags: int) -> None:
    """From now on there is nothing to read there, and what is written goes nowhere."""
    nothing = os.open(os.devnull, flags)
    os.dup2(nothing, descriptor, inheritable=descriptor < 3)
    os.close(nothing)


def _read(source: IO[bytes], jobs: SimpleQueue[StageJob | None], busy: Event) -> None:
    try:
        while True:
            jobs.put(pickle.load(source))
    except EOFError:
        if busy.is_set():  # the parent process has ended
            os.killpg(0, signal.SIGKILL)
        jobs.put(None)


def _portable(error: BaseException) -> BaseException:
    """The error itself, or a StageError with its message if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # from any library
        return StageError(f"failed: {type(error).__name__}: {first_line(error)}")
    return error
