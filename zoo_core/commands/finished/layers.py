"""`zoo explain RUN --layers`: how far each layer of a run's int8 network is from the float one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from zoo_core.api import LAYERS_FILE
from zoo_core.commands.finished.find import run_folder
from zoo_core.commands.finished.replan import plan_again
from zoo_core.commands.workspace import announce, open_workspace
from zoo_core.planning.build import Goal
from zoo_core.planning.request import as_count
from zoo_core.reporting.int8 import LayersReport

if TYPE_CHECKING:
    from zoo_core.commands.progress import ProgressReporter


def compare_layers(reference: str, progress: ProgressReporter, images: int = 4) -> LayersReport:
    """Compare the layers of a run, a folder or MODEL:BACKEND:PRECISION, on calibration images.

    Stages of the run that are no longer in the store run again. Raises DataError for a run that is
    not known or whose inputs changed, UsageError for one that is not int8 or whose backend does not
    compare layers.
    """
    folder = run_folder(reference)
    count, work = as_count(images, "--layer-images"), open_workspace()
    request = replace(plan_again(folder, work).request, layer_images=count)
    run = work.plan(request, Goal.LAYERS)
    announce(work, run, progress)
    with progress.stages() as listener:
        results = work.execute(run.plan, listener)
    text = (results["layers"].entry.path / LAYERS_FILE).read_text(encoding="utf-8")
    return LayersReport(run=str(folder), **json.loads(text))
