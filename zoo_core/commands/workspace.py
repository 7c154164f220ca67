"""The workspace of a command: plugins, registry, store and durations."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.pipeline.durations import Durations
from zoo_core.pipeline.executor import Executor
from zoo_core.pipeline.plan import make_plan
from zoo_core.pipeline.runners import LocalRunner, WorkerRunner
from zoo_core.pipeline.sessions import SessionPool
from zoo_core.pipeline.store import Store
from zoo_core.planning.build import plan_run
from zoo_core.planning.preview import preview
from zoo_core.planning.resolve import CacheState
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import Registry, load_registry
from zoo_core.reporting.run_folder import check_output
from zoo_core.reporting.terminal import first_line, warning_lines
from zoo_core.system.machine import cpu_quota
from zoo_core.system.paths import home
from zoo_core.system.terminal import host_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zoo_core.api import Stage
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.pipeline.executor import Listener, StageResult
    from zoo_core.pipeline.plan import Plan, PlannedStage
    from zoo_core.planning.build import Goal, Run
    from zoo_core.planning.request import RunRequest

_MAX_WORKERS = 2
"""Workers run beside the command's own stages, whose native threads use two processors.

On two processors they slow each other down: a cold run took 3 to 13 % longer with one worker.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Plugins, registry, store and durations; opened once per command, not global."""

    plugins: Plugins
    registry: Registry
    store: Store
    durations: Durations
    _hosts: dict[str, bool] = field(default_factory=dict)

    def plan(self, request: RunRequest, goal: Goal) -> Run:
        """The plan of a request; see `plan_run`."""
        return plan_run(request, self.registry, self.plugins, self.cache_state(), goal)

    def plan_with_network(self, request: RunRequest, goal: Goal) -> Run:
        """The plan as it would be if every address could be reached."""
        state = CacheState(is_cached=self._is_cached, is_reachable=lambda _url: True)
        return plan_run(request, self.registry, self.plugins, state, goal)

    def execute(self, plan: Plan, listener: Listener) -> dict[str, StageResult]:
        """Run the stages that are not cached; results by stage name, in the plan's order.

        Independent stages run concurrently, all but one of them in worker processes; isolated ones
        always run in one. Raises what `Executor.run` raises.
        """
        count = max(0, min(_MAX_WORKERS, (int(cpu_quota()) - 1) // 2))
        with SessionPool() as sessions, ExitStack() as stack:
            guard, *workers = (WorkerRunner(self.store) for _ in range(count + 1))
            for worker in (guard, *workers):
                stack.callback(worker.close)
            executor = Executor(
                store=self.store,
                plugins=self.plugins,
                durations=self.durations,
                listener=listener,
                sessions=sessions,
                runner=LocalRunner(self.store, self.plugins, sessions),
                helpers=workers,
                guard=guard,
            )
            return executor.run(plan)

    def holds(self, stages: Iterable[PlannedStage]) -> bool:
        """Whether the store has the results of all these stages."""
        return all(self.store.get(item.key) for item in stages)

    def cache_state(self) -> CacheState:
        """What the planner may query on this machine; each host is tried once."""
        return CacheState(is_cached=self._is_cached, is_reachable=self._is_reachable)

    def _is_cached(self, stages: Sequence[Stage]) -> bool:
        return self.holds(make_plan(stages))

    def _is_reachable(self, url: str) -> bool:
        from zoo_core.system.download import network_reachable

        host = host_of(url)
        if host not in self._hosts:
            self._hosts[host] = network_reachable(url)
        return self._hosts[host]


def open_workspace(last: tuple[Path, Any] | None = None) -> Workspace:
    """Open the installed plugins, the registry files, and the store under `home()`.

    `last` is a registry document that overrides the others, and the file it is from.
    """
    plugins = Plugins.installed()
    return Workspace(
        plugins=plugins,
        registry=load_registry(plugins.registry_files(), last),
        store=Store(home() / "store"),
        durations=Durations(home() / "journal.jsonl"),
    )


def prepare(
    request: RunRequest,
    goal: Goal,
    progress: ProgressReporter,
    output: Path | None = None,
    reason: str = "",
) -> tuple[Workspace, Run]:
    """Check the output folder, open a workspace, plan the request, and report the plan.

    `reason` says why the sample is used, if the request itself does not name it.
    """
    if output is not None:
        check_output(output)
    workspace = open_workspace()
    run = workspace.plan(request, goal)
    announce(workspace, run, progress, reason)
    return workspace, run


def announce(workspace: Workspace, run: Run, progress: ProgressReporter, reason: str = "") -> None:
    """Report what a plan will do."""
    for line in (first_line(run, reason), *warning_lines(run.resolved.warnings)):
        progress.message(line)
    forecast = preview(run.plan, workspace.store, workspace.durations, explain=False)
    for fault in workspace.registry.faults:
        progress.message(f"warning: left out: {fault}")
    for stage, file in workspace.store.damaged.values():
        what = f"the stored result of {stage} is damaged ({file} has changed) and is made again"
        progress.message(f"warning: {what}")
    for line in (*forecast.notices, forecast.line()):
        progress.message(line)
