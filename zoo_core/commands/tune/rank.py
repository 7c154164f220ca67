"""Layers in the order in which float is likely to help most."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zoo_core.api import LAYERS_FILE, RANK_FILE, ComparesLayers, RanksLayers
from zoo_core.errors import ZooError
from zoo_core.planning.build import Goal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.api import Tunable
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.request import RunRequest


def ranked(
    work: Workspace, request: RunRequest, compiler: Tunable, progress: ProgressReporter
) -> list[str]:
    """Names of the layers that may stay in float, those that the outputs suffer most from first.

    From a compiler that does not rank them, those with the largest error of their own first. Empty
    if it does not compare layers either. Raises what the run raises.
    """
    if isinstance(compiler, RanksLayers):
        rows = _made(work, request, Goal.RANK, RANK_FILE, progress)
        return list(dict.fromkeys(_usable(row["node"] for row in rows)))
    if not isinstance(compiler, ComparesLayers):
        return []
    rows = _made(work, request, Goal.LAYERS, LAYERS_FILE, progress)
    kinds = compiler.float_operators
    own = [row for row in rows if row["own_snr_db"] is not None and row["operator"] in kinds]
    own.sort(key=lambda row: row["own_snr_db"])
    return list(dict.fromkeys(_usable(row["node"] for row in own)))


def _made(
    work: Workspace, request: RunRequest, goal: Goal, file: str, progress: ProgressReporter
) -> list[dict[str, Any]]:
    """The key `layers` of the file that the last stage of a goal leaves."""
    run = work.plan(request, goal)
    with progress.stages() as listener:
        results = work.execute(run.plan, listener)
    planned = run.plan.maker(file)
    if planned is None:
        raise ZooError(f"no stage of the compiler outputs {file}")
    text = (results[planned.stage.name].entry.path / file).read_text(encoding="utf-8")
    return list(json.loads(text)["layers"])


def _usable(names: Iterator[str]) -> Iterator[str]:
    """Names that a list with commas can hold."""
    return (name for name in names if name and "," not in name)
