"""Runs a plan: what the store has is taken, the rest is made, one lock per key."""

from __future__ import annotations

import shutil
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from zoo_core.api import StageContext
from zoo_core.errors import StageError, ZooError, first_line
from zoo_core.pipeline.store import LOG
from zoo_core.pipeline.watchdog import watching
from zoo_core.system.files import disk_errors, is_disk_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from zoo_core.api import Stage
    from zoo_core.pipeline.durations import Durations
    from zoo_core.pipeline.plan import Plan, PlannedStage
    from zoo_core.pipeline.sessions import SessionPool
    from zoo_core.pipeline.store import Entry, Store
    from zoo_core.plugins.manager import Plugins


class Listener(Protocol):
    """Told what happens while a plan runs."""

    def started(self, stage: Stage, expected: float | None) -> None:
        """A stage begins; `expected` seconds, None where never seen."""

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """The stage has finished `done` of `total` units."""

    def stalled(self, stage: Stage, seconds: float, log: Path) -> None:
        """The stage has told nothing for so long; called from another thread.

        `log` holds the stacks of all threads.
        """

    def finished(self, result: StageResult) -> None:
        """The stage is in the store."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """A stage whose entry is in the store; `seconds` is what making it took this time."""

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
    """What running needs; open it once per command, so that sessions are shared by stages."""

    store: Store
    plugins: Plugins
    journal: Durations
    listener: Listener
    sessions: SessionPool

    def run(self, plan: Plan) -> dict[str, StageResult]:
        """Run what is missing, in order; returns the results by stage name.

        Raises the stage's own ZooError, or StageError for any other failure, after its partial
        folder and log have been moved to where the message says.
        """
        self.store.use()
        results: dict[str, StageResult] = {}
        for item in plan:
            results[item.stage.name] = result = self._one(item, results)
            self.listener.finished(result)
            self.plugins.hook.zoo_stage_done(
                stage=item.stage, key=item.key, seconds=result.seconds, cached=result.cached
            )
        return results

    def _one(self, item: PlannedStage, results: Mapping[str, StageResult]) -> StageResult:
        entry = self.store.get(item.key)
        if entry:
            self.store.touch(entry)
            return StageResult(item.stage, entry, True, 0.0)
        with disk_errors(self.store.root), self.store.lock(item.key):
            entry = self.store.get(item.key)
            if entry:
                return StageResult(item.stage, entry, True, 0.0)
            self.listener.started(item.stage, self.journal.seconds(item.stage))
            began = time.perf_counter()
            entry = self._make(item, results)
            seconds = time.perf_counter() - began
            self.journal.add(item.stage, item.key, seconds)
            return StageResult(item.stage, entry, False, seconds)

    def _make(self, item: PlannedStage, results: Mapping[str, StageResult]) -> Entry:
        stage, work = item.stage, self.store.work(item.key, item.stage.name)
        began = time.time()

        def stalled(seconds: float) -> None:
            self.listener.stalled(stage, seconds, work / LOG)

        with (
            _in_the_users_words(results),
            self._kept_on_failure(stage, work),
            watching(work / LOG, stalled) as beat,
        ):
            context = self._context(item, work, results, beat)
            if not self.plugins.hook.zoo_run_stage(stage=stage, context=context):
                run_here(stage, context)
            facts = {"name": stage.name, "parts": item.parts, "began": began, "ended": time.time()}
            entry = self.store.commit(item.key, work, stage.outputs, facts)
        shutil.rmtree(context.resume_dir, ignore_errors=True)
        return entry

    def _context(
        self,
        item: PlannedStage,
        work: Path,
        results: Mapping[str, StageResult],
        beat: Callable[[], None],
    ) -> StageContext:
        stage = item.stage
        inputs = {arg: _locate(ref, results) for arg, ref in stage.inputs.items()}

        def progress(done: float, total: float, note: str = "") -> None:
            beat()
            self.listener.advanced(stage, done, total, note)

        return StageContext(
            inputs=inputs,
            params=stage.params,
            locations=stage.locations,
            out=work,
            log=work / LOG,
            resume_dir=self.store.resume_dir(item.key),
            progress=progress,
            plugins=self.plugins,
            sessions=self.sessions,
        )

    @contextmanager
    def _kept_on_failure(self, stage: Stage, work: Path) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            shutil.rmtree(work, ignore_errors=True)
            raise
        except Exception as error:
            kept = self._keep(work, error)
            if isinstance(error, ZooError):
                _name_remains(error, kept)
                raise
            raise StageError(
                f"failed: {type(error).__name__}: {first_line(error)}",
                where=f"stage {stage.name}",
                next=f"see {kept / LOG}",
            ) from error

    def _keep(self, work: Path, error: Exception) -> Path:
        """Where the folder is kept; on a disk that takes no log it goes, and the disk is told."""
        try:
            if is_disk_error(error):
                raise error
            _log(work, traceback.format_exc())
        except OSError:
            shutil.rmtree(work, ignore_errors=True)
            raise
        return self.store.keep_failed(work)


@contextmanager
def _in_the_users_words(results: Mapping[str, StageResult]) -> Iterator[None]:
    """Errors about a copy in the store name the file or address that it was brought from."""
    try:
        yield
    except ZooError as error:
        for result in results.values():
            for name, place in _origins(result.stage):
                error.where = error.where.replace(str(result.entry.path / name), place)
        raise


def _origins(stage: Stage) -> Iterator[tuple[str, str]]:
    """Outputs of a stage that have the name of one of its locations, and those locations."""
    for place in stage.locations.values():
        name = place.rpartition("/")[2]
        if name in stage.outputs:
            yield name, place


def run_here(stage: Stage, context: StageContext) -> None:
    """Run a stage's function in this process, under a frame that has the stage's name.

    So every stack names the stage, also one that is taken where the interpreter stands still.
    """
    module, _, function = stage.run.partition(":")
    names = {"function": getattr(import_module(module), function), "context": context}
    exec(compile("function(context)", f"<stage {stage.name}>", "exec"), names)


def _locate(ref: str, results: Mapping[str, StageResult]) -> Path:
    name, _, file = ref.partition("/")
    return results[name].entry.path / file


def _log(work: Path, text: str) -> None:
    with (work / LOG).open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)


def _name_remains(error: ZooError, kept: Path) -> None:
    place = f"log and partial files: {kept}"
    error.next = f"{error.next}; {place}" if error.next else place
