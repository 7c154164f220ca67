"""The runtime: an artefact on dies of a card, on the emulator, or outputs that lie in files."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_vastai.names import EMULATOR, FILES
from zoo_vastai.options import options_of
from zoo_vastai.sdk.tools import tools
from zoo_vastai.stream.artefact import read_artefact
from zoo_vastai.stream.process import WorkerProcess
from zoo_vastai.stream.session import StreamSession
from zoo_vastai.whole import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zoo_core.api import Session, Target
    from zoo_vastai.options import Options
    from zoo_vastai.stream.artefact import Artefact

_HINTS = ("latency", "throughput")


class VastaiRuntime:
    """Opens what the compile stage of this plugin left."""

    def open(
        self, artefact: Path, target: Target, hint: str = "latency"
    ) -> AbstractContextManager[Session]:
        """A session in a process of its own, under the SDK's interpreter; ended with the context.

        For throughput every die has `--option queue` images in flight; for latency one image at a
        time goes through the synchronous call of the first die. Raises `UnavailableError` without
        SDK or die, `DataError` and `StageError` for a folder that holds no whole artefact.
        """
        if hint not in _HINTS:
            raise UsageError(f"unknown hint '{hint}'", next=f"known: {', '.join(_HINTS)}")
        if target.device == FILES:
            from zoo_vastai.files.session import opened_files

            return opened_files(artefact)
        return _opened(artefact, target, hint)


@contextmanager
def _opened(folder: Path, target: Target, hint: str) -> Iterator[Session]:
    numbers = dies(target)
    if hint == "latency":
        numbers = numbers[:1]
    options = options_of(target)
    artefact = read_artefact(folder, target.device)
    sdk = tools(target.device, target.options, needs=("python",))
    order = _order(artefact, numbers, options, hint)

    def start(log: Path) -> WorkerProcess:
        return WorkerProcess(sdk.python, sdk.env, order, log)

    workers = max(options.queue, artefact.batch) * len(numbers) if hint == "throughput" else 1
    session = StreamSession(artefact, start, options, workers)
    try:
        yield session
    finally:
        session.close()


def dies(target: Target) -> list[int]:
    """The dies that a target's device names, each once; the emulator has die 0.

    Raises `UsageError` for anything else than numbers, or the emulator alone.
    """
    if target.device == EMULATOR:
        return [0]
    numbers: list[int] = []
    for part in target.devices:
        if not is_whole(part):
            what = f"device '{part}' is not a die"
            raise UsageError(what, next="give numbers such as 0 or 0,1, or emulator, or files")
        if int(part) in numbers:
            raise UsageError(f"device {part} is named twice", next="name each die once")
        numbers.append(int(part))
    return numbers


def _order(artefact: Artefact, numbers: list[int], options: Options, hint: str) -> dict[str, Any]:
    return {
        "prefix": str(artefact.prefix),
        "vdsp": str(artefact.vdsp),
        "batch": artefact.batch,
        "dies": numbers,
        "queue": max(options.queue, artefact.batch) if hint == "throughput" else 0,
    }
