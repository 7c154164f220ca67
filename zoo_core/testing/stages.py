"""Runs a plugin's stages as zoo does, without a registry, a planner or a cache folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.commands.progress import SilentListener
from zoo_core.pipeline.durations import Durations
from zoo_core.pipeline.executor import Executor
from zoo_core.pipeline.plan import make_plan
from zoo_core.pipeline.runners import LocalRunner
from zoo_core.pipeline.sessions import SessionPool
from zoo_core.pipeline.store import Store
from zoo_core.plugins.manager import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo_core.api import Stage
    from zoo_core.pipeline.executor import Listener


class Interrupts(SilentListener):
    """A listener that a person seems to have pressed Ctrl-C under; `calls` says how often."""

    def __init__(self) -> None:
        self.calls = 0

    def advanced(self, stage: Stage, done: float, total: float, note: str) -> None:
        """Raises KeyboardInterrupt."""
        self.calls += 1
        raise KeyboardInterrupt


def run_stages(
    stages: Iterable[Stage],
    tmp: Path,
    plugins: Plugins | None = None,
    listener: Listener | None = None,
) -> dict[str, Path]:
    """Run the stages in order in a store under `tmp`; returns each stage's folder by its name.

    Results of an earlier call in the same `tmp` are reused. `plugins` are for stages that
    look up providers; `listener` hears of what goes on. Raises the stage's ZooError, or StageError
    for any other failure, as zoo does.
    """
    with SessionPool() as sessions:
        store, plugins = Store(tmp / "store"), plugins or Plugins()
        executor = Executor(
            store=store,
            plugins=plugins,
            durations=Durations(tmp / "journal.jsonl"),
            listener=listener or SilentListener(),
            sessions=sessions,
            runner=LocalRunner(store, plugins, sessions),
        )
        results = executor.run(make_plan(stages))
    return {name: result.entry.path for name, result in results.items()}
