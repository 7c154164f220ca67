"""Faults on demand, from the environment variable ZOO_VASTAI_FAULT.

The variable holds `name` or `name:argument`, several with commas between. A name that is not in
this table is refused, so that a misspelt one is never taken for a fault that does no harm.

| program | fault | what happens |
| --- | --- | --- |
| vamc | `tvmerror` | a traceback that ends in TVMError in the log, exit code 1, nothing written |
| vamc | `segfault` | the process dies of SIGSEGV |
| vamc | `missing-file[:NAME]` | exit code 0, but mod.so (or NAME) is not there |
| vamc | `empty-file[:NAME]` | exit code 0, but mod.params (or NAME) has 0 bytes |
| vamc | `stale` | exit code 0, files of an earlier build are left as they were |
| vamc | `slow:SECONDS` | compiles, but that much later |
| vamc | `hang` (no number) | logs its first lines and then nothing more, for ever |
| vaststreamx | `set-device[:STATUS]` | set_device returns STATUS (1) |
| vaststreamx | `crash:N` | the process dies of SIGSEGV at the N-th image of a stream, from 1 |
| vaststreamx | `hang:N` | the N-th image never gets a result, nor any after it |
| vaststreamx | `valueerror:N` | ValueError instead of a result, from the N-th image on |
| vaststreamx | `run-error:N` | `run err, err code: 803012 ...` from the N-th image on |
| vaststreamx | `KIND-size:HxW` | any of those four kinds, always at images of that size |
| vaststreamx | `KIND-hash:HEX` | always at the image whose bytes' sha256 begins so |
| vaststreamx | `KIND-once:PATH[@N]` | at the N-th image (1), once: PATH marks that it happened |
| vamp | `missing-npz:N` | output N, from 0, is not written; exit code 0 |
| vamp | `stale-npz:N` | output N is an hour old and holds zeros |
| vamp | `extra-npz` | one output more than the list has lines |
| vamp | `garbage-line` | a line of noise within the block |
| vamp | `rc:N` | exit code N after all else |
| vamp | `format-a` | the block as vamp printed it before 2024 |
| vamp | `indent` | the whole block is indented |
| vamp | `wrong-invariant` | the throughput is half of samples / time |
| vasmi | `not-found` | as if vasmi were not installed: exit code 127 |
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

VARIABLE = "ZOO_VASTAI_FAULT"
KINDS = ("crash", "hang", "valueerror", "run-error")
RUN_ERROR = "run err, err code: 803012, vafwER_MCU_ERROR_LMCU0"

_TOOLS = (
    "tvmerror segfault missing-file empty-file stale slow set-device missing-npz"
    " stale-npz extra-npz garbage-line rc format-a indent wrong-invariant not-found"
)


def faults(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The faults asked for, name to argument; the argument is "" where there is none.

    Raises ValueError for a name that is not in the table above.
    """
    text = (os.environ if env is None else env).get(VARIABLE, "")
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, argument = entry.partition(":")
        if name not in names():
            raise ValueError(f"{VARIABLE}: no fault is named {name!r}")
        found[name] = argument
    return found


def names() -> tuple[str, ...]:
    """Every name of the table."""
    ways = ("", "-size", "-hash", "-once")
    return (*_TOOLS.split(), *(kind + way for kind in KINDS for way in ways))


def die() -> None:
    """End this process by SIGSEGV."""
    os.kill(os.getpid(), signal.SIGSEGV)


def hang() -> None:
    """Never return."""
    while True:
        time.sleep(3600)


class ImageFaults:
    """Which image of one stream meets which fault."""

    def __init__(self, requested: Mapping[str, str]) -> None:
        self._requested = requested
        self._count = 0
        self._lock = threading.Lock()

    def meet(self, pixels: NDArray[Any]) -> None:
        """Count the image, and do what was asked for it: die, hang, or raise."""
        with self._lock:
            self._count += 1
            number = self._count
        for kind in KINDS:
            if not any(self._is_hit(kind + way, pixels, number) for way in _WAYS):
                continue
            if kind == "crash":
                die()
            if kind in ("crash", "hang"):
                hang()
            if kind == "valueerror":
                raise Broken(ValueError("stream is closed"))
            raise Broken(Exception(RUN_ERROR))

    def _is_hit(self, name: str, pixels: NDArray[Any], number: int) -> bool:
        argument = self._requested.get(name)
        return argument is not None and _WAYS[name[_cut(name) :]](argument, pixels, number)


class Broken(Exception):
    """What a stream answers from now on."""

    def __init__(self, answer: Exception) -> None:
        super().__init__(str(answer))
        self.answer = answer


def _cut(name: str) -> int:
    return next(len(kind) for kind in KINDS if name.startswith(kind))


def _is_number(argument: str, pixels: NDArray[Any], number: int) -> bool:
    return bool(argument) and number == int(argument)  # without a number it is meant for vamc


def _has_size(argument: str, pixels: NDArray[Any], number: int) -> bool:
    sides = tuple(int(side) for side in argument.lower().split("x"))
    return sides == _sides(pixels.shape)


def _has_hash(argument: str, pixels: NDArray[Any], number: int) -> bool:
    return hashlib.sha256(pixels.tobytes()).hexdigest().startswith(argument.lower())


def _is_first(argument: str, pixels: NDArray[Any], number: int) -> bool:
    path, _, count = argument.partition("@")
    if number != int(count or 1):
        return False
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(height, width) of a planar, interleaved or grey image."""
    if len(shape) == 3:
        return shape[1:] if shape[0] in (1, 3) else shape[:2]
    return shape


_WAYS = {"": _is_number, "-size": _has_size, "-hash": _has_hash, "-once": _is_first}
