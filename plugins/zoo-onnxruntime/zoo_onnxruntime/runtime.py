"""The runtime: an artefact on ONNX Runtime's CPU execution provider."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError
from zoo_core.toolkit.artefact import checked_feeds, read_artefact
from zoo_core.toolkit.machine import cpu_threads
from zoo_onnxruntime.engine import open_session, run
from zoo_onnxruntime.files import FORMAT
from zoo_onnxruntime.options import target_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zoo_core.api import Arrays, Session, Target, TensorSpec
    from zoo_core.api.trace import Trace
    from zoo_core.toolkit.artefact import Artefact


class OnnxRuntimeSession:
    """An open artefact; several threads may run it at once."""

    input_kind = "tensor"

    def __init__(self, artefact: Artefact, threads: int, workers: int) -> None:
        """Load the model; raises StageError for a file ONNX Runtime refuses."""
        self.inputs: tuple[TensorSpec, ...] = artefact.inputs
        self.outputs: tuple[TensorSpec, ...] = artefact.outputs
        self.threads: int | None = threads
        self.workers = workers
        self._where = str(artefact.model)
        self._names = [spec.name for spec in artefact.outputs]
        self._session: Any = open_session(artefact.model, threads, arena=True, where=self._where)

    def run(self, feeds: Arrays) -> Arrays:
        """Outputs of one batch of any size the artefact allows, C-contiguous and of their own.

        Raises UsageError for feeds that are not the artefact's inputs, or after closing.
        """
        if self._session is None:
            raise UsageError("the session is closed", where=self._where)
        checked = checked_feeds(self.inputs, feeds)
        results = run(self._session, self._names, checked, where=self._where)
        return {
            name: np.ascontiguousarray(array)
            for name, array in zip(self._names, results, strict=True)
        }

    def close(self) -> None:
        """Free the model; a second time does nothing."""
        self._session = None


class OnnxRuntimeRuntime:
    """Opens artefacts of the compiler of this plugin, or any ONNX file described alike."""

    portable = "zoo_onnxruntime.portable:open_artefact"
    """See `zoo_core.api.Portable`."""

    def open(
        self, artefact: Path, target: Target, hint: str = "latency"
    ) -> AbstractContextManager[Session]:
        """A session that is closed with the context.

        One run has `--option threads` threads, else one for each processor the process is granted;
        for throughput it has a single one, and as many runs go on at once.
        Raises DataError for a folder without an artefact, StageError for a broken model.
        """
        return _opened(artefact, target, hint)

    def trace(
        self, artefact: Path, target: Target, feeds: Callable[[Session], Arrays], runs: int
    ) -> Trace:
        """The time of each node of the optimised graph; see `Traceable`."""
        from zoo_onnxruntime.trace import trace

        with self.open(artefact, target) as session:
            given, threads = feeds(session), session.threads or 1
        return trace(read_artefact(artefact, (FORMAT,)), given, threads, runs)


@contextmanager
def _opened(folder: Path, target: Target, hint: str) -> Iterator[Session]:
    threads = target_options(target).get("threads", cpu_threads())
    runs = threads if hint == "throughput" else 1
    session = OnnxRuntimeSession(read_artefact(folder, (FORMAT,)), threads // runs, runs)
    with closing(session):
        yield session
