"""Runs a plan: takes cached stages from the store and runs the others, with a lock per key."""

from __future__ import annotations

import math
import shutil
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Condition, RLock, Thread
from typing import TYPE_CHECKING, Any, Protocol

from zoo_core.api import StageServices
from zoo_core.errors import StageError, ZooError, first_line, is_interrupt
from zoo_core.pipeline.runners import StageJob
from zoo_core.pipeline.store import LOG
from zoo_core.system.files import disk_errors, is_disk_error
from zoo_core.system.terminal import masked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import Sessions, Stage
    from zoo_core.pipeline.durations import Durations
    from zoo_core.pipeline.plan import Plan, PlannedStage
    from zoo_core.pipeline.runners import StageRunner
    from zoo_core.pipeline.store import Entry, StageStore
    from zoo_core.plugins.manager import Plugins


_HELPER_DELAY = 0.5
"""Seconds that the first thread must be busy before a helper takes a stage that is ready."""

_JOIN_SECONDS = 10.0


class Listener(Protocol):
    """Receives the events of a running plan, of several stages at once; one call at a time."""

    def started(self, stage: Stage, expected: float | None) -> None:
        """A stage begins; `expected` seconds, None if it never ran before."""

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """The stage has finished `done` of `total` units."""

    def stalled(self, stage: Stage, seconds: float, log: Path) -> None:
        """The stage has reported nothing for `seconds`; called from another thread.

        `log` holds the stacks of all threads.
        """

    def noticed(self, stage: Stage, text: str) -> None:
        """What a person must know now: the stage waits for another process, or failed."""

    def finished(self, result: StageResult) -> None:
        """The stage is in the store."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """A stage whose entry is in the store; `seconds` is the time it took in this run."""

    stage: Stage
    entry: Entry
    cached: bool
    seconds: float

    def to_data(self) -> dict[str, Any]:
        """The row of a report."""
        return {
            "name": self.stage.name,
            "key": self.entry.key,
            "cached": self.cached,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """Runs plans; create it once per command, so that stages share sessions.

    `runner` runs stages in the calling thread, and `guard` those of them that are isolated. Each of
    `helpers` runs further stages concurrently, if they do not depend on each other.
    """

    store: StageStore
    plugins: Plugins
    durations: Durations
    listener: Listener
    sessions: Sessions
    runner: StageRunner
    helpers: Sequence[StageRunner] = ()
    guard: StageRunner | None = None
    _calls: RLock = field(default_factory=RLock)

    def run(self, plan: Plan) -> dict[str, StageResult]:
        """Run the missing stages; returns the results by stage name, in the plan's order.

        Raises the stage's own ZooError, or StageError for any other exception. The message names
        the folder to which the stage's log and partial files have been moved.
        """
        self.store.use()
        board = _Board(plan)
        for item in plan:
            if entry := self._cached(item):
                self._finish(board, item, StageResult(item.stage, entry, True, 0.0))
        missing = len(plan) - len(board.results)
        threads = [
            Thread(target=self._serve_beside, args=(board, helper), daemon=True)
            for helper in self.helpers[: max(0, missing - 1)]
        ]
        for thread in threads:
            thread.start()
        try:
            self._serve(board)
        except _AbandonedError:
            assert board.error
            raise board.error from None
        except BaseException as error:
            board.fail(error)
            raise
        finally:
            others = (*self.helpers, *([self.guard] if self.guard else ()))
            for other in others if board.error else ():
                other.stop()
            for thread in threads:
                thread.join(_JOIN_SECONDS)
        return {item.stage.name: board.results[item.stage.name] for item in plan}

    def _serve(self, board: _Board) -> None:
        """Run stages one by one until all are finished or one has failed."""
        while item := board.take():
            runner = self.guard if self.guard and item.stage.isolated else self.runner
            self._finish(board, item, self._one(item, board, runner))
        if board.error:
            raise board.error

    def _serve_beside(self, board: _Board, runner: StageRunner) -> None:
        try:
            while item := board.take_beside():
                self._finish(board, item, self._one(item, board, runner))
        except BaseException as error:  # raised by the thread that runs the plan
            if item and not board.error and not is_interrupt(error):
                self._notice(item.stage, f"{error}; ends the other stages")
            board.fail(error)

    def _finish(self, board: _Board, item: PlannedStage, result: StageResult) -> None:
        with self._calls:
            self.listener.finished(result)
            self.plugins.hook.zoo_stage_done(
                stage=item.stage, key=item.key, seconds=result.seconds, cached=result.cached
            )
        board.finish(item, result)

    def _cached(self, item: PlannedStage) -> Entry | None:
        entry = self.store.get(item.key)
        if entry:
            self.store.touch(entry)
        return entry

    def _notice(self, stage: Stage, text: str) -> None:
        with self._calls:
            self.listener.noticed(stage, text)

    def _one(self, item: PlannedStage, board: _Board, runner: StageRunner) -> StageResult:
        tell = partial(self._notice, item.stage)
        with disk_errors(self.store.root), self.store.lock(item.key, tell):
            if entry := self._cached(item):  # another process has run it meanwhile
                return StageResult(item.stage, entry, True, 0.0)
            with self._calls:
                self.listener.started(item.stage, self.durations.seconds(item.stage))
            start = time.perf_counter()
            entry = self._make(item, board, runner)
            seconds = time.perf_counter() - start
            self.durations.add(item.stage, item.key, seconds)
            return StageResult(item.stage, entry, False, seconds)

    def _make(self, item: PlannedStage, board: _Board, runner: StageRunner) -> Entry:
        results = board.results
        stage, work = item.stage, self.store.work(item.key, item.stage.name)
        start = time.time()
        inputs = {arg: _split(ref, results) for arg, ref in stage.inputs.items()}
        job = StageJob(stage=stage, key=item.key, inputs=inputs, work=work.name)
        monitor = _Monitor(self.listener, self._calls, stage, work / LOG, board)
        with _user_paths_in_errors(results), self._keep_on_failure(stage, work):
            services = StageServices(self.plugins, self.sessions, monitor.advanced)
            context = job.context(self.store, services)
            if not self.plugins.hook.zoo_run_stage(stage=stage, context=context):
                runner.run(job, monitor)
            facts = {
                **{"name": stage.name, "subject": stage.subject, "parts": item.parts},
                **{"began": start, "ended": time.time()},
            }
            entry = self.store.commit(item.key, work, stage.outputs, facts)
        shutil.rmtree(self.store.resume_dir(item.key), ignore_errors=True)
        return entry

    @contextmanager
    def _keep_on_failure(self, stage: Stage, work: Path) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if isinstance(error, _AbandonedError):
                shutil.rmtree(work, ignore_errors=True)
                raise
            if is_interrupt(error):
                shutil.rmtree(work, ignore_errors=True)
                raise KeyboardInterrupt from error
            folder = self._keep(work, error)
            if isinstance(error, StageError):
                error.where = error.where or f"stage {stage.name}"
            if isinstance(error, ZooError):
                _add_folder(error, folder)
                raise
            raise StageError(
                f"failed: {type(error).__name__}: {first_line(error)}",
                where=f"stage {stage.name}",
                next=f"see {folder / LOG}",
            ) from error

    def _keep(self, work: Path, error: BaseException) -> Path:
        """The folder's new place; on a disk error the folder is removed and the error raised."""
        try:
            if is_disk_error(error):
                raise error
            _log(work, traceback.format_exc())
        except OSError:
            shutil.rmtree(work, ignore_errors=True)
            raise
        return self.store.keep_failed(work)


class _AbandonedError(BaseException):
    """Ends a stage because another one has failed; no stage catches it."""


class _Board:
    """Which stages are finished, running and ready; shared by several threads."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._taken: set[str] = set()
        self._began = math.inf
        self._changed = Condition()
        self.results: dict[str, StageResult] = {}
        self.error: BaseException | None = None

    def take(self) -> PlannedStage | None:
        """Wait for the first stage that is ready; None if none is left to run."""
        with self._changed:
            self._began = math.inf
            while not self._over():
                if ready := self._ready():
                    self._began = time.monotonic()
                    return self._take(ready[0])
                if self._taken <= self.results.keys():
                    raise ZooError("the remaining stages need a stage that is not in the plan")
                self._changed.wait()
        return None

    def take_beside(self) -> PlannedStage | None:
        """As `take`, for stages that may run in another process, while the first thread is busy.

        Nothing is taken before that thread has been busy for _HELPER_DELAY seconds: starting a
        process takes longer.
        """
        with self._changed:
            while not self._over():
                busy = time.monotonic() - self._began
                movable = [item for item in self._ready() if not item.stage.local]
                if movable and busy >= _HELPER_DELAY:
                    return self._take(movable[0])
                self._changed.wait(_HELPER_DELAY - busy if movable and busy > 0 else None)
        return None

    def finish(self, item: PlannedStage, result: StageResult) -> None:
        with self._changed:
            self.results = {**self.results, item.stage.name: result}
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Record the first error; no stage is taken after it."""
        with self._changed:
            self.error = self.error or error
            self._changed.notify_all()

    def _over(self) -> bool:
        return self.error is not None or len(self.results) == len(self._plan)

    def _ready(self) -> list[PlannedStage]:
        return [i for i in self._plan.ready(self.results) if i.stage.name not in self._taken]

    def _take(self, item: PlannedStage) -> PlannedStage:
        self._taken.add(item.stage.name)
        self._changed.notify_all()
        return item


@dataclass(frozen=True, slots=True)
class _Monitor:
    """Passes one stage's events to the listener; see `StageMonitor`.

    Where another stage has failed, this one ends at its next report.
    """

    listener: Listener
    calls: RLock
    stage: Stage
    log: Path
    board: _Board

    def advanced(self, done: float, total: float, note: str = "") -> None:
        if self.board.error:
            raise _AbandonedError
        with self.calls:
            self.listener.advanced(self.stage, done, total, note)

    def stalled(self, seconds: float) -> None:
        with self.calls:
            self.listener.stalled(self.stage, seconds, self.log)


@contextmanager
def _user_paths_in_errors(results: Mapping[str, StageResult]) -> Iterator[None]:
    """In errors, replace the path of a copy in the store by the path or URL of its origin."""
    try:
        yield
    except ZooError as error:
        for result in results.values():
            for name, place in _origins(result.stage):
                error.where = error.where.replace(str(result.entry.path / name), place)
        raise


def _origins(stage: Stage) -> Iterator[tuple[str, str]]:
    """Outputs of a stage that are named like one of its locations, with that location."""
    for place in stage.locations.values():
        name = place.rpartition("/")[2]
        if name in stage.outputs:
            yield name, place


def _split(ref: str, results: Mapping[str, StageResult]) -> tuple[str, str]:
    name, _, file = ref.partition("/")
    return results[name].entry.key, file


def _log(work: Path, text: str) -> None:
    with (work / LOG).open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(masked(text))


def _add_folder(error: ZooError, folder: Path) -> None:
    place = f"log and partial files: {folder}"
    error.next = f"{error.next}; {place}" if error.next else place
