"""`zoo explain RUN --parts`: what a reduced precision loses by boxes, by scores and by classes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from zoo_core.commands.finished.find import run_folder
from zoo_core.commands.finished.replan import plan_scored
from zoo_core.commands.workspace import announce, open_workspace
from zoo_core.errors import UsageError
from zoo_core.pipeline.stages.parts import PARTS_FILE
from zoo_core.planning.build import Goal
from zoo_core.planning.parts import with_parts
from zoo_core.reporting.int8 import PartsReport

if TYPE_CHECKING:
    from zoo_core.commands.progress import ProgressReporter

_FLOAT = "fp32"


def split_loss(reference: str, progress: ProgressReporter) -> PartsReport:
    """Split the loss of a run, a folder or MODEL:BACKEND:PRECISION, against its network in fp32.

    What is no longer in the store runs again, that in fp32 too. Raises DataError for a run that is
    not known or whose inputs changed, UsageError for one in fp32 or that is not of a detector.
    """
    folder, work = run_folder(reference), open_workspace()
    measured = plan_scored(folder, work)
    target = measured.resolved.target
    if target.precision == _FLOAT:
        what = "the run is fp32: there is no loss to split"
        raise UsageError(what, where=str(folder), next="name a run of a reduced precision")
    request = replace(measured.request, precision=_FLOAT, calibration=None, calibrator=None)
    run = with_parts(measured, work.plan(request, Goal.SCORE), work.plugins)
    announce(work, run, progress)
    with progress.stages() as listener:
        results = work.execute(run.plan, listener)
    path = results["parts"].entry.path / PARTS_FILE
    return PartsReport(
        run=str(folder), precision=target.precision, **json.loads(path.read_text(encoding="utf-8"))
    )
