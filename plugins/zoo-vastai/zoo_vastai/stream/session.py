"""A session on the device: images go to the worker, and a failure costs one image at most."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import SampleError, StageError, UsageError, ZooError
from zoo_vastai.compile.preprocess import per_image
from zoo_vastai.stream.process import LostError, RefusedError, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, TensorSpec
    from zoo_vastai.options import Options
    from zoo_vastai.stream.artefact import Artefact


class StreamSession:
    """An open artefact; up to `workers` threads run it at once, each one image at a time.

    Where the SDK crashes, hangs or raises, its process is started anew, and the images that were in
    flight are sent again one by one, with nothing beside them: one that brings down a new process
    raises `SampleError`, the others get their results.
    """

    input_kind = "image"
    threads: int | None = None

    def __init__(
        self,
        artefact: Artefact,
        start: Callable[[Path], WorkerProcess],
        options: Options,
        workers: int,
    ) -> None:
        """Start the first worker with a log; `start` raises what `WorkerProcess` does.

        The log stays only where the error names it.
        """
        self.inputs: tuple[TensorSpec, ...] = artefact.inputs
        self.outputs: tuple[TensorSpec, ...] = artefact.outputs
        self.workers = workers
        self._preprocess = artefact.preprocess
        self._start, self._options = start, options
        self._gate = _Gate()
        self._restarts = 0
        self._closed = False
        self._log_is_named = False  # whether an error has named the log
        self._broken: ZooError | None = None
        self._log = _log_file()
        try:
            self._worker = start(self._log)
        except BaseException as error:
            if str(self._log) not in str(error):
                self._log.unlink(missing_ok=True)
            raise

    def run(self, feeds: Arrays) -> Arrays:
        """Outputs of one image uint8 [1, 3, height, width] as read, RGB; float32, batch axis first.

        Raises `SampleError` where the SDK fails on this image alone, `StageError` where the process
        with the SDK was started as often as is allowed, `UsageError` for other feeds.
        """
        image = self._image(feeds)
        try:
            with self._gate.together():
                return self._named(self._ask(image))
        except LostError:
            with self._gate.alone():
                return self._named(self._again(image))

    def facts(self) -> Mapping[str, Any]:
        """What the SDK tells of cards and dies."""
        return self._worker.facts(self._options.timeout)

    def close(self) -> None:
        """End the worker for sure; a second time does nothing."""
        self._closed = True
        self._worker.close()
        if not self._log_is_named:
            self._log.unlink(missing_ok=True)

    def _ask(self, image: NDArray[np.uint8]) -> list[NDArray[Any]]:
        if self._closed:
            raise UsageError("the session is closed")
        if self._broken is not None:
            raise self._broken
        try:
            return self._worker.run(image, self._params(image), self._options.timeout)
        except RefusedError as error:
            raise self._spoilt(str(error)) from error

    def _params(self, image: NDArray[np.uint8]) -> dict[str, Any]:
        """The image's own sizes and place, where the vdsp file cannot name them for all."""
        if not self._preprocess:
            return {}
        found = per_image(self._preprocess, (image.shape[1], image.shape[2]))
        return {name: list(numbers) for name, numbers in found.items()}

    def _again(self, image: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """Alone; blamed only where it brings down a process that has run nothing else."""
        if self._worker.alive:
            with suppress(LostError):
                return self._ask(image)
        self._restart()
        try:
            return self._ask(image)
        except LostError as error:
            raise self._spoilt(f"{error}, also with nothing beside it") from error

    def _restart(self) -> None:
        if self._closed:
            raise StageError("the session was closed while images were on the device")
        if self._broken is not None:
            raise self._broken
        if self._restarts >= self._options.restarts:
            self._broken = self._exhausted()
            raise self._broken
        self._restarts += 1
        self._worker.close()
        try:
            self._worker = self._start(self._log)
        except ZooError as error:
            self._broken, self._log_is_named = error, True
            raise
        if self._closed:
            self._worker.close()

    def _exhausted(self) -> StageError:
        self._log_is_named = True
        reason, tail = self._worker.reason, self._worker.tail()
        log_end = f"; its log ends: {tail}" if tail else ""
        return StageError(
            f"the SDK's process failed, after {self._restarts} restarts: {reason}{log_end}",
            where=f"log {self._log}",
            next="see the log and `zoo doctor`; --option restarts=N allows more restarts",
        )

    def _spoilt(self, what: str) -> SampleError:
        self._log_is_named = self._log_is_named or self._restarts > 0
        log = f", see {self._log}" if self._log_is_named else ""
        return SampleError(what, next=f"leave this image out or repair it{log}")

    def _image(self, feeds: Arrays) -> NDArray[np.uint8]:
        name = self.inputs[0].name
        image = feeds.get(name)
        if image is None or len(feeds) != 1:
            raise UsageError(f"the only input is '{name}'", next=f"given: {', '.join(feeds)}")
        wanted = image.ndim == 4 and image.shape[:2] == (1, 3) and image.size
        if image.dtype != np.uint8 or not wanted:
            what = f"input '{name}' is {image.dtype} {list(image.shape)}"
            raise UsageError(f"{what}, not uint8 [1, 3, height, width]")
        return np.ascontiguousarray(image[0])

    def _named(self, arrays: Sequence[NDArray[Any]]) -> Arrays:
        if len(arrays) != len(self.outputs):
            what = f"the device gives {len(arrays)} outputs, the artefact has {len(self.outputs)}"
            raise StageError(what, next="compile again")
        return {
            spec.name: _shaped(array, spec)
            for spec, array in zip(self.outputs, arrays, strict=True)
        }


class _Gate:
    """Many pass together; one alone waits until they are through, and keeps others out."""

    def __init__(self) -> None:
        self._change = Condition()
        self._inside = 0
        self._lonely = 0
        self._taken = False

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._change:
            self._change.wait_for(lambda: not self._lonely)
            self._inside += 1
        try:
            yield
        finally:
            with self._change:
                self._inside -= 1
                self._change.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._change:
            self._lonely += 1
            self._change.wait_for(lambda: not self._inside and not self._taken)
            self._taken = True
        try:
            yield
        finally:
            with self._change:
                self._lonely -= 1
                self._taken = False
                self._change.notify_all()


def _log_file() -> Path:
    handle, name = tempfile.mkstemp(prefix="zoo-vastai-", suffix=".log")
    os.close(handle)
    return Path(name)


def _shaped(array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """The array with the shape of its spec, a leading axis of 1 more or less; dynamic ones pass."""
    wanted = [side if isinstance(side, int) else -1 for side in spec.shape]
    shape = [1, *array.shape] if array.ndim == len(wanted) - 1 else list(array.shape)
    fits = (
        len(shape) == len(wanted)
        and shape[0] == 1
        and all(want in (-1, side) for want, side in zip(wanted[1:], shape[1:], strict=True))
    )
    if not fits:
        what = f"the device gives '{spec.name}' as {list(array.shape)}, not {list(spec.shape)}"
        raise StageError(what, next="compile again")
    return array.reshape(shape)
