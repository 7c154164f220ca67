from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo_core.api import Stage
from zoo_core.errors import DataError, StageError, ZooError
from zoo_core.pipeline.durations import Durations
from zoo_core.pipeline.executor import Executor, StageResult
from zoo_core.pipeline.plan import Plan, make_plan
from zoo_core.pipeline.runners import LocalRunner
from zoo_core.pipeline.sessions import SessionPool
from zoo_core.pipeline.store import Store
from zoo_core.plugins.manager import Plugins
from zoo_core.system import locks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.api import StageContext

MODULE = "zoo_steps_of_test_execute"
CODE = '''
"""Steps for tests; they count their calls in a file beside the store."""
from __future__ import annotations
import errno
from zoo_core.errors import DataError

def make(context):
    with open(context.params["calls"], "a") as calls:
        calls.write(context.params["text"] + "\\n")
    context.progress(1, 2, "half")
    (context.out / "text.txt").write_text(context.params["text"])

def double(context):
    text = context.inputs["text"].read_text()
    (context.out / "text.txt").write_text(text * 2)

def nothing(context):
    pass

def crash(context):
    context.log.write_text("what the tool said\\n")
    (context.out / "partial.bin").write_bytes(b"half")
    raise ValueError("a defect")

def refuse(context):
    raise DataError("is wrong", where="weights.bin", next="bring another")

def full(context):
    (context.out / "partial.bin").write_bytes(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")

def interrupt(context):
    (context.out / "partial.bin").write_bytes(b"half")
    raise KeyboardInterrupt

def interrupted_import(context):
    (context.out / "partial.bin").write_bytes(b"half")
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise ImportError("initialization failed") from error
'''


class Spy:
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
        self.events.append(f"{'hit' if result.cached else 'made'} {result.stage.name}")


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / f"{MODULE}.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield MODULE
    sys.modules.pop(MODULE, None)


@pytest.fixture
def executor(tmp_path: Path) -> Executor:
    store, plugins, sessions = Store(tmp_path / "store"), Plugins(), SessionPool()
    return Executor(
        store=store,
        plugins=plugins,
        durations=Durations(tmp_path / "journal.jsonl"),
        listener=Spy(),
        sessions=sessions,
        runner=LocalRunner(store, plugins, sessions),
    )


def make_stage(steps: str, tmp_path: Path, text: str = "a") -> Stage:
    calls = str(tmp_path / "calls")
    return Stage(
        name="make",
        run=f"{steps}:make",
        params={"text": text, "calls": calls},
        outputs=("text.txt",),
    )


def double_stage(steps: str) -> Stage:
    return Stage(
        name="double",
        run=f"{steps}:double",
        inputs={"text": "make/text.txt"},
        outputs=("text.txt",),
    )


def test_a_plan_runs_once_and_is_then_taken_from_the_store(
    steps: str, tmp_path: Path, executor: Executor
) -> None:
    plan = make_plan([make_stage(steps, tmp_path), double_stage(steps)])

    first = executor.run(plan)
    second = executor.run(plan)

    assert (first["double"].entry.path / "text.txt").read_text() == "aa"
    assert [result.cached for result in first.values()] == [False, False]
    assert [result.cached for result in second.values()] == [True, True]
    assert (tmp_path / "calls").read_text() == "a\n"
    assert isinstance(executor.listener, Spy)
    assert executor.listener.events == [
        "start make",
        "make 1/2 half",
        "made make",
        "start double",
        "made double",
        "hit make",
        "hit double",
    ]


def test_listeners_hear_of_each_stage_after_its_commit(
    steps: str, tmp_path: Path, executor: Executor
) -> None:
    heard: list[tuple[str, bool]] = []

    class Listening:
        __name__ = "listening"

        @staticmethod
        def zoo_stage_done(stage: Stage, key: str, seconds: float, cached: bool) -> None:
            assert executor.store.get(key) is not None
            heard.append((stage.name, cached))

    from zoo_core.api.hooks import hookimpl

    Listening.zoo_stage_done = staticmethod(hookimpl(Listening.zoo_stage_done))  # type: ignore[method-assign]
    object.__setattr__(executor, "plugins", Plugins([Listening]))  # type: ignore[list-item]

    executor.run(make_plan([make_stage(steps, tmp_path)]))

    assert heard == [("make", False)]


def test_a_plugin_may_run_a_stage_elsewhere(steps: str, tmp_path: Path, executor: Executor) -> None:
    from zoo_core.api.hooks import hookimpl

    class Elsewhere:
        __name__ = "elsewhere"

        @staticmethod
        @hookimpl
        def zoo_run_stage(stage: Stage, context: StageContext) -> bool:
            (context.out / "text.txt").write_text("from elsewhere")
            return True

    object.__setattr__(executor, "plugins", Plugins([Elsewhere]))  # type: ignore[list-item]

    results = executor.run(make_plan([make_stage(steps, tmp_path)]))

    assert (results["make"].entry.path / "text.txt").read_text() == "from elsewhere"
    assert not (tmp_path / "calls").exists()


def failing(steps: str, function: str) -> Stage:
    return Stage(name=function, run=f"{steps}:{function}", outputs=("text.txt",))


def test_a_crash_is_one_line_that_names_the_kept_log(steps: str, executor: Executor) -> None:
    with pytest.raises(StageError) as caught:
        executor.run(make_plan([failing(steps, "crash")]))

    assert "ValueError: a defect" in str(caught.value)
    log = Path(caught.value.next.removeprefix("see "))
    assert "what the tool said" in log.read_text()
    assert "raise ValueError" in log.read_text()
    assert (log.parent / "partial.bin").read_bytes() == b"half"


def test_a_stages_own_error_keeps_its_code_and_names_the_remains(
    steps: str, executor: Executor
) -> None:
    with pytest.raises(DataError) as caught:
        executor.run(make_plan([failing(steps, "refuse")]))

    assert str(caught.value).startswith("weights.bin: is wrong; bring another; log and partial")
    assert caught.value.exit_code == 6


def test_a_missing_output_is_a_failure(steps: str, executor: Executor) -> None:
    plan = make_plan([failing(steps, "nothing")])

    with pytest.raises(StageError, match=r"output 'text.txt' is missing"):
        executor.run(plan)

    assert executor.store.get(plan.stages[0].key) is None


def test_a_full_disk_is_told_and_frees_what_it_wrote(
    steps: str, tmp_path: Path, executor: Executor
) -> None:
    with pytest.raises(DataError, match="the disk is full"):
        executor.run(make_plan([failing(steps, "full")]))

    assert not list((tmp_path / "store").rglob("partial.bin"))


@pytest.mark.parametrize("function", ["interrupt", "interrupted_import"])
def test_an_interrupt_leaves_nothing_and_the_next_run_goes_on(
    steps: str, tmp_path: Path, executor: Executor, function: str
) -> None:
    """A native module that Ctrl-C hits while it is loaded raises another error."""
    plan = make_plan([make_stage(steps, tmp_path), failing(steps, function)])

    with pytest.raises(KeyboardInterrupt):
        executor.run(plan)
    with pytest.raises(KeyboardInterrupt):
        executor.run(plan)

    assert not list((tmp_path / "store").rglob("partial.bin"))
    assert (tmp_path / "calls").read_text() == "a\n"


def test_the_journal_learns_how_long_a_stage_takes(
    steps: str, tmp_path: Path, executor: Executor
) -> None:
    stage = make_stage(steps, tmp_path)
    assert executor.durations.seconds(stage) is None

    executor.run(make_plan([stage]))

    expected = executor.durations.seconds(stage)
    assert expected is not None
    assert expected < 5


def test_the_manifest_tells_what_was_made_from_what(
    steps: str, tmp_path: Path, executor: Executor
) -> None:
    results = executor.run(make_plan([make_stage(steps, tmp_path), double_stage(steps)]))

    path = results["double"].entry.path / "manifest.json"
    manifest = json.loads(path.read_text())

    assert manifest["parts"]["inputs"] == {"text": [results["make"].entry.key, "text.txt"]}
    assert manifest["outputs"]["text.txt"]["bytes"] == 2
    assert len(manifest["outputs"]["text.txt"]["sha256"]) == 64


def test_a_plan_that_lacks_a_stage_fails_instead_of_waiting(
    steps: str, tmp_path: Path, executor: Executor
) -> None:
    plan = make_plan([make_stage(steps, tmp_path), double_stage(steps)])

    with pytest.raises(ZooError, match="a stage that is not in the plan"):
        executor.run(Plan(plan.stages[1:]))


def test_who_waits_for_another_run_s_stage_is_told_for_whom(
    steps: str, tmp_path: Path, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_FIRST", 0.1)
    plan = make_plan([make_stage(steps, tmp_path)])
    (item,) = plan
    holding = executor.store.lock(item.key, lambda text: None)
    holding.__enter__()
    spy = executor.listener
    assert isinstance(spy, Spy)

    def noticed(stage: Stage, text: str) -> None:
        spy.events.append(f"{stage.name}: {text}")
        holding.__exit__(None, None, None)

    monkeypatch.setattr(spy, "noticed", noticed)
    with ThreadPoolExecutor(1) as other:
        other.submit(executor.run, plan).result(60)

    assert spy.events[0].startswith(f"make: waiting for process {os.getpid()}, which began at ")
    assert spy.events[-1] == "made make"
