"""`zoo replay`: a run is rebuilt from its manifest, and held against what it left."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo_core.api.repository import SOURCE_STAGE
from zoo_core.commands.finished.find import run_folder
from zoo_core.commands.finished.likeness import ReplayReport, likeness
from zoo_core.commands.finished.rebuild import plan_rebuild
from zoo_core.commands.run import write_folder
from zoo_core.pipeline.store import Store
from zoo_core.reporting.build import Outcome, build_report
from zoo_core.reporting.run_folder import (
    RESULTS,
    check_output,
    claiming,
    open_run_folder,
    write_report,
)
from zoo_core.system.paths import cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.commands.finished.rebuild import Rebuild
    from zoo_core.commands.progress import ProgressReporter

REPLAY = "replay.json"
"""What a replay says, in its run folder."""


@claiming
def replay(
    reference: str,
    progress: ProgressReporter,
    output: Path | None = None,
    *,
    cached: bool = False,
    moved: Mapping[str, str | Path] = MappingProxyType({}),
) -> ReplayReport:
    """Rebuild a run and compare; with `output` the new run folder goes there.

    All stages run rebuild, in a store of their own that is removed afterwards; only downloads and
    clones come from the cache. `cached` takes stages from the cache where they are there. `moved`
    says where files of the request are now. Raises DataError for inputs that are gone, and for a
    manifest that cannot be read.
    """
    if output is not None:
        check_output(output)
    folder = run_folder(reference)
    rebuild = plan_rebuild(folder, progress, moved)
    with ExitStack() as stack:
        if not cached:
            place = stack.enter_context(TemporaryDirectory(prefix="store-", dir=cache("replay")))
            rebuild = _fresh(rebuild, Path(place))
        with progress.stages() as listener:
            results = rebuild.work.execute(rebuild.run.plan, listener)
        target = output
        if target is None:
            target = Path(stack.enter_context(TemporaryDirectory(dir=cache("replay"))), "run")
        with open_run_folder(rebuild.run, target, RESULTS) as staged:
            outcome = Outcome(
                run=rebuild.run, results=results, benchmark=None, output=staged.folder
            )
            report = build_report(outcome, rebuild.work.registry)
            write_folder(staged.part, outcome, report, rebuild.work.registry)
            told = likeness(
                rebuild, staged.part, outcome, str(output.absolute()) if output else None
            )
            write_report(staged.part / REPLAY, told.to_data())
    return told


def _fresh(rebuild: Rebuild, place: Path) -> Rebuild:
    """The same with an empty store, but for what is downloaded or cloned."""
    store, known = Store(place), rebuild.work.store
    for item in rebuild.run.plan:
        is_fetched = item.stage.download or item.stage.name == SOURCE_STAGE
        entry = known.get(item.key) if is_fetched else None
        if entry is not None:
            shutil.copytree(entry.path, store.folder(item.key))
    return replace(rebuild, work=replace(rebuild.work, store=store))
