"""The way from a run to another protocol: each change is planned, run and scored on its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo_core.api import ScoringProtocol
from zoo_core.commands.finished.replan import with_floor
from zoo_core.errors import ZooError, counted
from zoo_core.planning.build import Goal
from zoo_core.planning.preview import preview
from zoo_core.planning.protocol_steps import ORDER, SIZE
from zoo_core.planning.resolve import require_available
from zoo_core.reporting.comparison import other_conditions, other_data
from zoo_core.reporting.differences import change_of, read_samples
from zoo_core.reporting.run_folder import RESAMPLES
from zoo_core.reporting.warnings import output_path, read_output
from zoo_core.reporting.waterfall import Effect, Waterfall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run
    from zoo_core.planning.protocol_steps import ProtocolStep
    from zoo_core.planning.resolve import Resolved
    from zoo_core.reporting.differences import Difference, Samples, ScoredRun
    from zoo_core.reporting.waterfall import Reference

_CLOSE = 1e-6
"""Metrics that differ by less are one figure, which libraries round differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A state on the way, what was changed last, and whether the network sees other images."""

    run: Run
    change: str = ""
    network: bool = False


@dataclass(frozen=True, slots=True)
class _Scored:
    """The metrics of a state, and their values on halves of its images."""

    metrics: Mapping[str, float | None]
    samples: Samples
    images: int

    def changes_to(self, after: _Scored) -> tuple[Difference, ...]:
        """Each metric's change."""
        return tuple(
            change_of(
                name,
                (value, after.metrics.get(name)),
                self.samples.get(name),
                after.samples.get(name),
                self.images,
            )
            for name, value in self.metrics.items()
        )


def walk(
    run: Run, scored: ScoredRun, target: Reference, work: Workspace, progress: ProgressReporter
) -> tuple[Waterfall, tuple[str, ...]]:
    """The effects of the changes that lead to the target, and what would mislead their reader.

    States are planned as runs of their own, so the store has those that were ever scored. Raises
    what `Workspace.execute` raises.
    """
    points, left_out = _points(run, target, work)
    _announce(points, work, progress)
    states = [_score(point, work, progress) for point in points]
    effects = tuple(
        Effect(change=point.change, network=point.network, metrics=before.changes_to(after))
        for point, before, after in zip(points[1:], states, states[1:], strict=False)
    )
    last = points[-1].run.resolved
    if not left_out:
        last = replace(last, protocol=target.protocol)
    remainder, why = _against(last, states[-1], target, work)
    waterfall = Waterfall(
        against=target,
        order=ORDER,
        effects=effects,
        total=states[0].changes_to(states[-1]),
        remainder=remainder,
        why=tuple(why),
        left_out=tuple(left_out),
    )
    return waterfall, tuple(_warnings(run, scored, target, states[0], waterfall))


def _points(run: Run, target: Reference, work: Workspace) -> tuple[list[_Point], list[str]]:
    """The run and the state after each change; and the changes that cannot be made."""
    points, left_out = [_Point(run=run)], []
    state = dict(target.steps[0].before) if target.steps else {}
    for step in target.steps:
        before = points[-1].run
        wanted = step.applied_to(state)
        try:
            after = _planned(wanted, before, step, work)
        except ZooError as error:
            left_out.append(f"{step.text}: {error}")
            continue
        keys = [[item.key for item in one.shards] for one in (before, after)]
        points.append(_Point(run=after, change=step.text, network=keys[0] != keys[1]))
        state = wanted
    return points, left_out


def _planned(state: Mapping[str, Any], before: Run, step: ProtocolStep, work: Workspace) -> Run:
    values = {name: value for name, value in state.items() if name != SIZE}
    protocol = before.resolved.protocol
    name = f"{protocol.base or protocol.name}, then {step.text}"
    there = ScoringProtocol(name=name, task=protocol.task, values=values)
    registry = replace(work.registry, protocols={**work.registry.protocols, name: there})
    request = replace(before.request, protocol=name, changes={}, size=state[SIZE])
    return replace(work, registry=registry).plan(with_floor(request, before), Goal.SCORE)


def _announce(points: Sequence[_Point], work: Workspace, progress: ProgressReporter) -> None:
    """Says what will be run; raises UnavailableError where the network cannot be."""
    missing = {
        tuple(item.key for item in point.run.shards): point.run
        for point in points
        if not work.holds(point.run.shards)
    }
    for run in missing.values():
        require_available(run.resolved)
    plans = [preview(one.run.plan, work.store, work.durations, explain=False) for one in points]
    seconds = [plan.seconds for plan in plans]
    told = f"{counted(len(points) - 1, 'change')} to score, "
    runs = counted(len(missing), "time")
    told += f"the network runs {runs}" if missing else "the network does not run"
    known = sum(one or 0 for one in seconds)
    if known >= 1 and None not in seconds:
        told += f", about {known:.0f} s"
    progress.message(told)


def _score(point: _Point, work: Workspace, progress: ProgressReporter) -> _Scored:
    plan = point.run.plan
    if point.change and not work.holds(plan):
        progress.message(point.change)
    with progress.stages() as listener:
        results = work.execute(plan, listener)
    data, path = point.run.resolved.data, output_path(plan, results, RESAMPLES)
    found = read_output(plan, results, "metrics.json")
    samples = read_samples(path) if path else {}
    return _Scored(found["values"], samples, data.count if data else 0)


def _against(
    last: Resolved, scored: _Scored, target: Reference, work: Workspace
) -> tuple[dict[str, float] | None, list[str]]:
    """Published figures minus those of the last state, and what explains it; or None, and why."""
    if target.row is None:
        return None, []
    if reasons := other_data(last, target.row):
        return None, reasons
    known = {name: scored.metrics.get(name) for name in target.metrics}
    left = {name: target.metrics[name] - v for name, v in known.items() if v is not None}
    conditions = other_conditions(last, work.registry, target.row, last.target.precision)
    return left, [*conditions, "what no protocol states: the publisher's code, weights or data"]


def _warnings(
    run: Run, scored: ScoredRun, target: Reference, start: _Scored, waterfall: Waterfall
) -> list[str]:
    texts = []
    reported = scored.report.metrics or {}
    for name, value in start.metrics.items():
        told = reported.get(name)
        if value is not None and told is not None and abs(value - told) > _CLOSE:
            what = f"the run reports {name} {told:.4f}, and scored again it has {value:.4f}"
            texts.append(f"{what}: zoo, a plugin or a library changed since")
            break
    if target.protocol.unknown:
        fields = ", ".join(target.protocol.unknown)
        texts.append(f"protocol {target.protocol.name}: not published, assumed: {fields}")
    if run.resolved.weights.kind == "sample":
        texts.append("sample weights on drawn scenes: these figures say nothing about the model")
    if any(row.difference is not None and row.low is None for row in waterfall.total[:1]):
        why = "no samples of the images" if start.images >= 10 else f"{start.images} images"
        texts.append(f"no intervals ({why}): whether an effect is one of these images is not known")
    return texts
