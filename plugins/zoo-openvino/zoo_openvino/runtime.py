"""The runtime: an artefact on a device that OpenVINO drives."""

from __future__ import annotations

from contextlib import closing, contextmanager
from queue import LifoQueue
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_core.toolkit.artefact import checked_feeds, read_artefact
from zoo_core.toolkit.machine import cpu_threads
from zoo_openvino.cache import cache_folder, prune
from zoo_openvino.engine import (
    CPU,
    Setting,
    capabilities,
    compile_model,
    computing,
    fix_batch,
    read,
    run,
    use_once,
)
from zoo_openvino.files import FORMATS
from zoo_openvino.options import known_device, target_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zoo_core.api import Arrays, Session, Target, TensorSpec
    from zoo_core.api.trace import Trace
    from zoo_core.toolkit.artefact import Artefact

_HINTS = ("latency", "throughput")


class OpenVinoSession:
    """An open artefact for batches of one size; as many threads as `workers` run it at once."""

    input_kind = "tensor"

    def __init__(self, artefact: Artefact, batch: int, setting: Setting) -> None:
        """Compile the model; raises StageError for one OpenVINO refuses."""
        self.inputs: tuple[TensorSpec, ...] = tuple(_sized(s, batch) for s in artefact.inputs)
        self.outputs: tuple[TensorSpec, ...] = tuple(_sized(s, batch) for s in artefact.outputs)
        self.threads: int | None = setting.threads and max(1, setting.threads // setting.streams)
        self.workers = setting.streams
        self._where = str(artefact.model)
        self._names = [spec.name for spec in artefact.outputs]
        use_once()
        model = read(artefact.model)
        fix_batch(model, artefact.inputs, batch, self._where)
        self._compiled: Any = compile_model(model, setting, self._where)
        self._requests: LifoQueue[Any] = LifoQueue()
        for _ in range(self.workers):
            self._requests.put(self._compiled.create_infer_request())

    def run(self, feeds: Arrays) -> Arrays:
        """Outputs of one batch, C-contiguous and of their own; waits where all workers are busy.

        Raises UsageError for feeds that are not the artefact's inputs, or after closing.
        """
        if self._compiled is None:
            raise UsageError("the session is closed", where=self._where)
        checked = checked_feeds(self.inputs, feeds)
        request = self._requests.get()
        try:
            return run(request, self._names, checked, self._where)
        finally:
            self._requests.put(request)

    def close(self) -> None:
        """Free the model; a second time does nothing."""
        self._compiled = None
        self._requests = LifoQueue()


class OpenVinoRuntime:
    """Opens artefacts of this plugin's compiler, and ONNX ones of any other as they are."""

    portable = "zoo_openvino.portable:open_artefact"
    """See `zoo_core.api.Portable`."""

    def open(
        self, artefact: Path, target: Target, hint: str = "latency"
    ) -> AbstractContextManager[Session]:
        """A session that is closed with the context, for batches of the target's size.

        All streams together have `--option threads` threads, else one for each processor the
        process is granted. For latency there is one stream, for throughput one a thread, unless
        `--option streams` says how many. Compiled models are kept (`--option cache`).
        Raises DataError for a folder without an artefact, StageError for a broken model,
        UnavailableError for a device that is not there.
        """
        return _opened(artefact, target, hint)

    def trace(
        self, artefact: Path, target: Target, feeds: Callable[[Session], Arrays], runs: int
    ) -> Trace:
        """The time of each operator as compiled for latency; see `zoo_core.api.trace.Traceable`."""
        from zoo_openvino.trace import trace

        with self.open(artefact, target) as session:
            given = feeds(session)
        found = read_artefact(artefact, FORMATS)
        return trace(found, target.batch, _setting(found, target, "latency", None), given, runs)


@contextmanager
def _opened(folder: Path, target: Target, hint: str) -> Iterator[Session]:
    found = read_artefact(folder, FORMATS)
    options = target_options(target)
    cache = cache_folder(options.cache)
    session = OpenVinoSession(found, target.batch, _setting(found, target, hint, cache))
    if cache is not None:
        prune(cache)
    with closing(session):
        yield session


def _setting(found: Artefact, target: Target, hint: str, cache: Path | None) -> Setting:
    if hint not in _HINTS:
        raise UsageError(f"unknown hint '{hint}'", next=f"known: {', '.join(_HINTS)}")
    options, device = target_options(target), known_device(target.device)
    threads = options.threads or cpu_threads() if device == CPU else None
    streams = options.streams or (threads or 1 if hint == "throughput" else 1)
    return Setting(
        device=device,
        computes=computing(found.precision, options.remainder, capabilities(device)),
        hint=hint,
        threads=threads,
        streams=min(streams, threads) if threads else streams,
        cache="" if cache is None else str(cache),
    )


def _sized(spec: TensorSpec, batch: int) -> TensorSpec:
    """The spec with its free dimensions as large as the batch."""
    shape = tuple(batch if isinstance(size, str) else size for size in spec.shape)
    return type(spec)(name=spec.name, shape=shape, dtype=spec.dtype)
