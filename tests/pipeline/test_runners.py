"""Stages in worker processes: what travels, what comes back, and what runs side by side."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from zoo_core.api import Stage
from zoo_core.errors import DataError, StageError
from zoo_core.pipeline import executor as executor_module
from zoo_core.pipeline.durations import Durations
from zoo_core.pipeline.executor import Executor, StageResult
from zoo_core.pipeline.plan import make_plan
from zoo_core.pipeline.runners import LocalRunner, WorkerRunner
from zoo_core.pipeline.sessions import SessionPool
from zoo_core.pipeline.store import Store
from zoo_core.plugins.manager import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.pipeline.runners import StageJob, StageMonitor

MODULE = "zoo_steps_of_test_runners"
CODE = '''
from __future__ import annotations
import os, pathlib, subprocess, sys, time
from zoo_core.errors import DataError

def pid(context):
    print("what a stage prints is no message")
    context.progress(1, 2, "half")
    text = "".join(path.read_text() for path in context.inputs.values())
    (context.out / "text.txt").write_text(text + context.params.get("text", ""))
    (context.out / "pid").write_text(str(os.getpid()))

def refuse(context):
    raise DataError("is wrong", where="weights.bin", next="bring another")

def crash(context):
    raise ValueError("a defect")

class Local(Exception):
    def __init__(self, lock):
        super().__init__("cannot be pickled")
        self.lock = lock

def odd(context):
    raise Local(lambda: None)

def die(context):
    os.kill(os.getpid(), 9)

def meet(context):
    """Ends when the other stage is there too."""
    here = pathlib.Path(context.params["place"])
    (here / context.params["me"]).touch()
    until = time.monotonic() + 60
    while not (here / context.params["other"]).exists():
        if time.monotonic() > until:
            raise DataError("the other stage never came")
        time.sleep(0.01)
    (context.out / "pid").write_text(str(os.getpid()))

def surroundings(context):
    assert sys.stdin.read() == ""
    (context.out / "pid").write_text(os.environ.get("PYTHONPATH", "unset"))
    import zoo_shadow_of_test_runners as shadow
    (context.out / "text.txt").write_text(shadow.__file__)

def leave(context):
    sys.exit(3)

def abandon(context):
    """Dies and leaves a child that has all its files open, and another program."""
    other = subprocess.Popen(["sleep", "120"])
    child = os.fork()
    if not child:
        time.sleep(120)
    pathlib.Path(context.params["children"]).write_text(f"{other.pid} {child}")
    os._exit(7)

def call(context):
    other = subprocess.Popen(["sleep", "120"])
    pathlib.Path(context.params["began"] + "-child").write_text(str(other.pid))
    wait(context)

def wait(context):
    pathlib.Path(context.params["began"]).touch()
    time.sleep(120)
'''


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def started(self, stage: Stage, expected: float | None) -> None:
        self.events.append(f"start {stage.name}")

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        self.events.append(f"{stage.name} {done:.0f}/{total:.0f} {note}")

    def stalled(self, stage: Stage, seconds: float, log: Path) -> None:
        """Nothing."""

    def noticed(self, stage: Stage, text: str) -> None:
        self.events.append(f"{stage.name}: {text}")

    def finished(self, result: StageResult) -> None:
        self.events.append(f"end {result.stage.name}")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / f"{MODULE}.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield MODULE
    sys.modules.pop(MODULE, None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def worker(store: Store, zoo_home: Path) -> Iterator[WorkerRunner]:
    runner = WorkerRunner(store)
    yield runner
    runner.close()


def executor(store: Store, *runners: LocalRunner | WorkerRunner) -> Executor:
    return Executor(
        store=store,
        plugins=Plugins(),
        durations=Durations(store.root.with_name("journal.jsonl")),
        listener=Heard(),
        sessions=SessionPool(),
        runner=runners[0],
        helpers=runners[1:],
    )


def local(store: Store) -> LocalRunner:
    return LocalRunner(store, Plugins(), SessionPool())


def stage(module: str, name: str, function: str = "pid", **fields: object) -> Stage:
    outputs = ("pid",) if function in ("meet", "wait", "call") else ("text.txt", "pid")
    return Stage(name=name, run=f"{module}:{function}", outputs=outputs, **fields)  # type: ignore[arg-type]


def assert_gone(pids: Path) -> None:
    """The processes named in the file end soon."""
    until = time.monotonic() + 60
    for pid in map(int, pids.read_text().split()):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_stages_of_one_worker_read_each_other_s_outputs(
    module: str, store: Store, worker: WorkerRunner
) -> None:
    first = stage(module, "first", params={"text": "a"})
    second = stage(module, "second", params={"text": "b"}, inputs={"x": "first/text.txt"})
    runs = executor(store, worker)

    results = runs.run(make_plan([first, second]))

    assert (results["second"].entry.path / "text.txt").read_text() == "ab"
    pids = {(result.entry.path / "pid").read_text() for result in results.values()}
    assert len(pids) == 1
    assert pids != {str(os.getpid())}
    assert isinstance(runs.listener, Heard)
    assert runs.listener.events[:3] == ["start first", "first 1/2 half", "end first"]


def test_a_fresh_worker_for_each_stage(module: str, store: Store, zoo_home: Path) -> None:
    first, second = (stage(module, name, params={"text": name}) for name in ("first", "second"))

    results = executor(store, WorkerRunner(store, fresh=True)).run(make_plan([first, second]))

    assert len({(result.entry.path / "pid").read_text() for result in results.values()}) == 2


def test_errors_come_back_as_they_were_raised(
    module: str, store: Store, worker: WorkerRunner
) -> None:
    runs = executor(store, worker)
    with pytest.raises(DataError, match=r"weights\.bin: is wrong; bring another"):
        runs.run(make_plan([stage(module, "refuse", "refuse")]))
    with pytest.raises(StageError, match="ValueError: a defect") as caught:
        runs.run(make_plan([stage(module, "crash", "crash")]))
    log = Path(caught.value.next.removeprefix("see "))
    assert 'raise ValueError("a defect")' in log.read_text()
    with pytest.raises(StageError, match="Local: cannot be pickled"):
        runs.run(make_plan([stage(module, "odd", "odd")]))

    assert runs.run(make_plan([stage(module, "after")]))["after"].cached is False


def test_a_worker_that_dies_is_one_line_and_the_next_stage_has_another(
    module: str, store: Store, worker: WorkerRunner
) -> None:
    runs = executor(store, worker)
    with pytest.raises(StageError, match=r"its process ended with signal 9 \(SIGKILL: Killed\)"):
        runs.run(make_plan([stage(module, "die", "die")]))

    assert runs.run(make_plan([stage(module, "after")]))["after"].cached is False


def test_what_ends_an_isolated_stage_spares_the_command(
    module: str, store: Store, worker: WorkerRunner
) -> None:
    """The other stages run in the command's own process, before and after it."""
    runs = dataclasses.replace(executor(store, local(store)), guard=worker)
    first = stage(module, "first")
    dies = stage(module, "compile", "die", inputs={"x": "first/text.txt"}, isolated=True)
    with pytest.raises(StageError) as caught:
        runs.run(make_plan([first, dies]))
    assert (caught.value.what, caught.value.where) == (
        "its process ended with signal 9 (SIGKILL: Killed)",
        "stage compile",
    )
    assert caught.value.next.startswith("look for out-of-memory messages in the system log; log")

    worker = WorkerRunner(store)
    runs = dataclasses.replace(runs, guard=worker)
    second = stage(module, "second", inputs={"x": "first/text.txt"}, isolated=True)
    results = runs.run(make_plan([first, second]))
    worker.close()
    pids = {name: (each.entry.path / "pid").read_text() for name, each in results.items()}
    assert pids["first"] == str(os.getpid()) != pids["second"]


def test_without_a_guard_an_isolated_stage_runs_here(module: str, store: Store) -> None:
    """As in the tests of plugins."""
    results = executor(store, local(store)).run(make_plan([stage(module, "a", isolated=True)]))
    assert (results["a"].entry.path / "pid").read_text() == str(os.getpid())


def test_a_stage_that_calls_exit_has_failed(
    module: str, store: Store, worker: WorkerRunner
) -> None:
    for runner in (local(store), worker):
        with pytest.raises(StageError, match="stage leave: failed: SystemExit: 3; see"):
            executor(store, runner).run(make_plan([stage(module, "leave", "leave")]))
    assert not list((store.root / "work").iterdir())


def test_what_a_dead_worker_s_stage_has_started_ends_too(
    module: str, store: Store, worker: WorkerRunner, tmp_path: Path
) -> None:
    children = tmp_path / "children"
    abandon = stage(module, "abandon", "abandon", params={"children": str(children)})
    with pytest.raises(StageError, match="stage abandon: its process ended with exit code"):
        executor(store, worker).run(make_plan([abandon]))

    assert_gone(children)


def test_a_worker_imports_from_the_folders_of_the_command_only(
    module: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is the command's, for the sake of the tools that stages call."""
    here = tmp_path / "here"
    here.mkdir()
    for folder in (tmp_path, here):
        (folder / "zoo_shadow_of_test_runners.py").touch()
    (here / "pickle.py").write_text("raise SystemExit('a file of the user')")
    monkeypatch.chdir(here)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", [os.path.relpath(tmp_path), *sys.path])
    worker = WorkerRunner(store)

    results = executor(store, worker).run(make_plan([stage(module, "here", "surroundings")]))

    worker.close()
    entry = results["here"].entry.path
    assert Path((entry / "text.txt").read_text()).parent.samefile(tmp_path)
    assert (entry / "pid").read_text() == "unset"


def test_stages_that_do_not_wait_for_each_other_run_side_by_side(
    module: str, store: Store, worker: WorkerRunner, tmp_path: Path
) -> None:
    names = ("one", "two")
    stages = [
        stage(module, me, "meet", params={"place": str(tmp_path), "me": me, "other": other})
        for me, other in zip(names, names[::-1], strict=True)
    ]

    results = executor(store, local(store), worker).run(make_plan(stages))

    assert list(results) == ["one", "two"]
    assert (results["one"].entry.path / "pid").read_text() == str(os.getpid())
    assert (results["two"].entry.path / "pid").read_text() != str(os.getpid())


def test_stages_that_open_sessions_stay_in_the_command_s_process(
    module: str, store: Store, worker: WorkerRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "_HELPER_DELAY", 0.0)
    stages = [stage(module, n, params={"text": n}, local=True) for n in "abcd"]

    results = executor(store, local(store), worker).run(make_plan(stages))

    pids = {(result.entry.path / "pid").read_text() for result in results.values()}
    assert pids == {str(os.getpid())}


def test_an_interrupt_ends_the_stage_beside_and_leaves_nothing(
    module: str, store: Store, worker: WorkerRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "_HELPER_DELAY", 0.0)
    began = tmp_path / "began"
    beside = stage(module, "beside", "call", params={"began": str(began)})

    class Interrupted(LocalRunner):
        def run(self, *_: object) -> None:
            until = time.monotonic() + 60
            while not began.exists():
                assert time.monotonic() < until
                time.sleep(0.01)
            raise KeyboardInterrupt

    runner = Interrupted(store, Plugins(), SessionPool())
    with pytest.raises(KeyboardInterrupt):
        executor(store, runner, worker).run(make_plan([stage(module, "first"), beside]))

    assert not list((store.root / "work").iterdir())
    assert not (store.root / "failed").exists()
    assert_gone(tmp_path / "began-child")


def test_a_failure_beside_is_raised_by_the_command(
    module: str, store: Store, worker: WorkerRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "_HELPER_DELAY", 0.0)

    class Patient(LocalRunner):
        def run(self, job: StageJob, monitor: StageMonitor) -> None:
            until = time.monotonic() + 60
            while not (store.root / "failed").exists():
                assert time.monotonic() < until
                time.sleep(0.01)
            super().run(job, monitor)

    runs = executor(store, Patient(store, Plugins(), SessionPool()), worker)
    stages = [stage(module, "first"), stage(module, "beside", "refuse"), stage(module, "last")]
    with pytest.raises(DataError, match="is wrong"):
        runs.run(make_plan(stages))

    assert isinstance(runs.listener, Heard)
    assert "start last" not in runs.listener.events


def test_a_failure_beside_is_told_at_once_and_ends_the_command_s_own_stage(
    module: str, store: Store, worker: WorkerRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That stage would run on for a minute; it ends at its next report of progress."""
    monkeypatch.setattr(executor_module, "_HELPER_DELAY", 0.0)
    reports = []

    class Busy(LocalRunner):
        def run(self, job: StageJob, monitor: StageMonitor) -> None:
            for number in range(6000):
                monitor.advanced(number, 6000)
                reports.append(number)
                time.sleep(0.01)

    runs = executor(store, Busy(store, Plugins(), SessionPool()), worker)
    stages = [stage(module, "first"), stage(module, "beside", "refuse")]
    with pytest.raises(DataError, match="is wrong"):
        runs.run(make_plan(stages))

    assert isinstance(runs.listener, Heard)
    told = [event for event in runs.listener.events if event.startswith("beside: ")]
    assert len(told) == 1
    assert "is wrong" in told[0]
    assert told[0].endswith("; ends the other stages")
    assert len(reports) < 5900
    assert not list((store.root / "work").iterdir())


def test_a_worker_ends_with_the_process_that_started_it(
    module: str, store: Store, worker: WorkerRunner, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    runs = executor(store, worker)
    plan = make_plan([stage(module, "wait", "call", params={"began": str(began)})])

    def run() -> None:
        with pytest.raises(StageError, match="signal 9"):
            runs.run(plan)

    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + 60
    while not began.exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    process = worker._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()

    assert process.wait(60) == -9
    thread.join(60)
    assert not thread.is_alive()
    assert_gone(tmp_path / "began-child")
