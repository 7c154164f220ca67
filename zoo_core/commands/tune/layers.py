"""Layers in the order in which float is likely to help most."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zoo_core.api import LAYERS_FILE
from zoo_core.planning.build import Goal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.request import RunRequest


def ranked(
    work: Workspace, request: RunRequest, operators: Sequence[str], progress: ProgressReporter
) -> list[str]:
    """Names of the int8 layers that may stay in float, the largest error of its own first.

    See `ComparesLayers`: the error of a layer that gets float tensors, as those of earlier layers
    are in the error of the whole network. Raises what the run raises.
    """
    run = work.plan(request, Goal.LAYERS)
    with progress.stages() as listener:
        results = work.execute(run.plan, listener)
    path = results["layers"].entry.path / LAYERS_FILE
    rows = json.loads(path.read_text(encoding="utf-8"))["layers"]
    own = [row for row in rows if row["own_snr_db"] is not None and row["operator"] in operators]
    own.sort(key=lambda row: row["own_snr_db"])
    return list(dict.fromkeys(_usable(row["node"] for row in own)))


def _usable(names: Iterator[str]) -> Iterator[str]:
    """Names that a list with commas can hold."""
    return (name for name in names if name and "," not in name)
