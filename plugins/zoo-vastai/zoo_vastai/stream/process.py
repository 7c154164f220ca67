"""The worker as a process: started, asked, and ended for sure."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import IO, TYPE_CHECKING, Any

from zoo_core.errors import StageError, UnavailableError
from zoo_vastai.stream import wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

SCRIPT = Path(__file__).with_name("worker.py")

_START_SECONDS = 300.0
_CLOSE_SECONDS = 5.0
_TERM_SECONDS = 2.0
_TAIL_BYTES = 4000
_TAIL_LINES = 6
_STACK = ("File ", "Thread 0x", "Current thread", "Extension modules")


class LostError(Exception):
    """The process ended, or was ended, before it answered; says how."""


class RefusedError(Exception):
    """The SDK refused one image and goes on with the others."""


class _Waiting:
    """One question on its way: `arrays` or `refusal` once it is done."""

    def __init__(self) -> None:
        self.done = Event()
        self.found: Any = None
        self.refusal: str | None = None


class WorkerProcess:
    """One run of `worker.py`, with a thread for each direction; any thread may ask."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], order: Mapping[str, Any], log: Path
    ) -> None:
        """Start it and wait until the model is open.

        `order` is the message `open`; what is printed is appended to `log`. Raises
        `UnavailableError` where there is no interpreter, SDK or die, `StageError`, which names the
        log, where the model cannot be loaded. Whatever else is raised, such as Ctrl-C: the process
        has ended then.
        """
        self.log = log
        self.reason = ""
        self._lock = Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._number = 0
        self._facts = _Waiting()
        self._ready = Event()
        self._fault: dict[str, Any] | None = None
        self._outbox: SimpleQueue[tuple[bytes, Any] | None] = SimpleQueue()
        self._process = self._spawn([*argv, str(SCRIPT)], env)
        self._threads = [
            Thread(target=target, name=f"vastai-{name}", daemon=True)
            for name, target in (("send", self._send), ("receive", self._receive))
        ]
        for thread in self._threads:
            thread.start()
        try:
            self._outbox.put((wire.packed({**order, "kind": "open"}), b""))
            self._await_ready()
        except BaseException:
            self.kill("it was given up before the model was open")
            raise

    @property
    def alive(self) -> bool:
        """Whether it can be asked; `reason` says why not."""
        return not self.reason

    def run(
        self, image: NDArray[np.uint8], params: Mapping[str, Any], timeout: float
    ) -> list[NDArray[Any]]:
        """Outputs of one image uint8 [3, height, width], as float32.

        `params` are what the preprocessing operator is told of this image, by the SDK's names.
        Raises `LostError` where the process ended or gave no answer in time, after which it has
        ended for sure; `RefusedError` where the SDK refused this image alone.
        """
        waiting = _Waiting()
        with self._lock:
            if self.reason:
                raise LostError(self.reason)
            self._number += 1
            number = self._number
            self._waiting[number] = waiting
        header = {"kind": "image", "id": number, "shape": list(image.shape), "params": params}
        self._outbox.put((wire.packed(header, image.nbytes), image.data))
        if not waiting.done.wait(timeout):
            self.kill(f"no answer from the device within {timeout:g} s")
            waiting.done.wait()
        if waiting.refusal is not None:
            raise RefusedError(waiting.refusal)
        if waiting.found is None:
            raise LostError(self.reason)
        found: list[NDArray[Any]] = waiting.found
        return found

    def facts(self, timeout: float) -> Mapping[str, Any]:
        """What the SDK tells of cards and dies; empty where it does not answer."""
        if self.alive:
            self._outbox.put((wire.packed({"kind": "facts"}), b""))
            self._facts.done.wait(timeout)
        return self._facts.found or {}

    def close(self) -> None:
        """Let it end, or make it end; a second time does nothing."""
        self._outbox.put((wire.packed({"kind": "close"}), b""))
        self._outbox.put(None)
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill("the session is closed")

    def kill(self, reason: str) -> None:
        """End it now, and wait until it has ended."""
        with self._lock:
            self.reason = self.reason or reason
        for stop in (self._process.terminate, self._process.kill):
            if self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    stop()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_TERM_SECONDS)
        self._process.wait()
        self._outbox.put(None)
        for thread in self._threads:
            thread.join()

    def tail(self) -> str:
        """The last lines of its log on one line, without the stacks of a crash."""
        with contextlib.suppress(OSError):
            data = self.log.read_bytes()[-_TAIL_BYTES:]
            lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
            words = [line for line in lines if line and not line.startswith(_STACK)]
            return " | ".join(words[-_TAIL_LINES:])
        return ""

    def _spawn(self, argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        try:
            with self.log.open("ab") as log:
                return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=log, env=dict(env))
        except OSError as error:
            what = f"the SDK's interpreter cannot be started: {error.strerror}"
            step = "give --option sdk_python=PATH"
            raise UnavailableError(what, where=argv[0], next=step) from error

    def _await_ready(self) -> None:
        if self._ready.wait(_START_SECONDS) and self.alive:
            return
        self.kill(f"the model was not open within {_START_SECONDS:g} s")
        fault = self._fault or {}
        reason = fault.get("reason", "")
        tail = self.tail()
        what = f"{self.reason}; {tail}" if tail and not fault else self.reason
        if reason == "import":
            raise UnavailableError(
                what, next="give the SDK's interpreter: --option sdk_python=PATH, see `zoo doctor`"
            )
        if reason == "device":
            raise UnavailableError(what, next="choose a die that `zoo doctor` shows: --device 0")
        raise StageError(what, where=f"log {self.log}", next="compile again, or see `zoo doctor`")

    def _send(self) -> None:
        sink = _pipe(self._process.stdin)
        with contextlib.suppress(OSError, ValueError):  # it has gone; the receiver tells
            while (item := self._outbox.get()) is not None:
                for part in item:
                    sink.write(part)
                sink.flush()
        with contextlib.suppress(OSError):
            sink.close()

    def _receive(self) -> None:
        source = _pipe(self._process.stdout)
        try:
            while (message := wire.receive(source)) is not None:
                self._take(*message)
        except (ValueError, KeyError, TypeError) as error:
            self._fault = {"what": f"the worker's answer cannot be read: {error}", "reason": "run"}
            self._process.kill()
        source.close()
        self._process.wait()
        with self._lock:
            self.reason = self.reason or self._reason_from_log()
            lost = list(self._waiting.values())
            self._waiting.clear()
        self._outbox.put(None)
        for waiting in (*lost, self._facts):
            waiting.done.set()
        self._ready.set()

    def _take(self, header: Mapping[str, Any], payload: bytes) -> None:
        kind = header["kind"]
        if kind == "ready":
            self._ready.set()
        elif kind == "facts":
            self._facts.found = header["facts"]
            self._facts.done.set()
        elif kind == "error" and header["fatal"]:
            self._fault = dict(header)
        else:
            with self._lock:
                waiting = self._waiting.pop(int(header["id"]), None)
            if waiting is None:
                return
            if kind == "result":
                waiting.found = wire.arrays(header["arrays"], payload)
            else:
                waiting.refusal = str(header["what"])
            waiting.done.set()

    def _reason_from_log(self) -> str:
        if self._fault is not None:
            return str(self._fault["what"])
        return f"the SDK's process ended: {_ending(self._process.returncode)}"


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _pipe(stream: IO[bytes] | None) -> Any:
    if stream is None:
        raise StageError("the worker was started without pipes")
    return stream
