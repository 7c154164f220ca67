"""The folder that a command leaves: checked before the work, made after it."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from zoo_core.errors import DataError, UsageError
from zoo_core.reporting.owned_files import OwnedFiles
from zoo_core.system.files import (
    copy_file,
    disk_errors,
    remove_leftovers,
    temporary_folder,
    write_json,
)
from zoo_core.system.hashing import digest
from zoo_core.system.locks import held_or_none, holder
from zoo_core.system.paths import CLAIMS, home
from zoo_core.system.terminal import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from zoo_core.planning.build import Run

P = ParamSpec("P")
T = TypeVar("T")

RUNS = Path("runs")
"""Where run folders go that are not named."""

REPORT = "report.json"
"""Put there last: a folder without it is not whole."""

BENCH_REPORT = "bench.json"
"""That of a benchmark, put there last too."""

MANIFEST = "manifest.json"
"""Hashes, keys and versions of a run, and its request."""

RAW = "latency_ms.json"
"""Every sample of the benchmark."""

RESAMPLES = "resamples.npz"
"""The metrics on halves of the images, for the intervals of a comparison."""

RESULTS = "results"
"""The kind of the output folders of `zoo run`, `eval` and `predict`."""

ADDED = "files"
"""The kind of results that leaves earlier ones of its kind where they are."""

_NEXT = "name another folder with --output"


@dataclass(frozen=True, slots=True)
class StagedOutput:
    """Results on their way: they are written into `part`, and will lie in `folder`."""

    folder: Path
    part: Path


def write_report(path: Path, data: object) -> None:
    """Write a JSON document; credentials in addresses are masked."""
    write_json(path, json.loads(masked(json.dumps(data))))


def check_output(folder: Path) -> None:
    """Raises DataError where a folder of this name can surely not be made or not be written."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise DataError("is a file, not a folder", where=str(place), next=_NEXT)
    if not os.access(place, os.W_OK | os.X_OK):
        raise DataError("cannot be written: Permission denied", where=str(place), next=_NEXT)


def check_free(
    output: Path | None, kind: str, names: Iterable[str], inputs: frozenset[Path]
) -> None:
    """Raises UsageError where results would replace a user's files; see `OwnedFiles`.

    For before the work: `names` are those that are known by then. A new folder is always free.
    """
    if output is not None:
        OwnedFiles.load(output).check(kind, names, inputs)


def claiming(command: Callable[P, T]) -> Callable[P, T]:
    """A command that no other process, thread or call fills its `output` folder beside.

    Raises UsageError where another one does. Without `output` nothing is claimed: a new folder is
    made for each.
    """
    parameters = signature(command)

    @wraps(command)
    def claimed(*args: P.args, **kwargs: P.kwargs) -> T:
        output = parameters.bind(*args, **kwargs).arguments.get("output")
        with _claim(output) if output is not None else nullcontext():
            return command(*args, **kwargs)

    return claimed


@contextmanager
def _claim(output: Path) -> Iterator[None]:
    path = home() / CLAIMS / f"{digest(os.path.realpath(output))[:24]}.lock"
    with ExitStack() as stack:
        mine = True
        with suppress(OSError):  # a home that cannot be written: nothing can be claimed
            mine = stack.enter_context(held_or_none(path))
        if not mine:
            what = f"another zoo command writes to it: {holder(path)}"
            raise UsageError(what, where=str(output), next=f"wait until it ends, or {_NEXT}")
        yield


@contextmanager
def filled(
    output: Path | None, name: str, kind: str, inputs: frozenset[Path]
) -> Iterator[StagedOutput]:
    """The folder to fill: `output`, else a new one of this name, or name and number, under RUNS.

    What the block writes takes the place of the kind's earlier files when the block ends, and of
    no other file: raises UsageError, and leaves all as it was, where a user's file would be
    replaced. A folder that was not there before is removed again where filling it fails. Raises
    DataError where it cannot be made, and for a full disk.
    """
    was_there = output is not None and output.exists()
    folder = _make(output, name)
    remove_leftovers(folder)
    try:
        with (
            disk_errors(folder, next=f"free space, or {_NEXT}"),
            temporary_folder(folder) as part,
        ):
            yield StagedOutput(folder, part)
            _publish(part, folder, kind, inputs)
    except BaseException:
        if not was_there:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def deliver(source: Path, target: Path) -> None:
    """Copy a file, or what a folder holds; each file appears whole or not at all."""
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for path in sorted(source.iterdir()):
            deliver(path, target / path.name)
        return
    copy_file(source, target)


def _publish(part: Path, folder: Path, kind: str, inputs: frozenset[Path]) -> None:
    """The reports go first and come last; the list names a file before it is there."""
    paths = sorted(part.rglob("*"))
    names = {path.relative_to(part).as_posix() for path in paths if not path.is_dir()}
    known = OwnedFiles.load(folder)
    known.check(kind, names, inputs)
    earlier = known.of_kind(kind)
    kept = earlier if kind == ADDED else frozenset()
    known.with_kind(kind, names | earlier).save()
    for name in sorted(earlier - kept, key=_reports_last, reverse=True):
        (folder / name).unlink(missing_ok=True)
    for path in paths:
        if path.is_dir():
            (folder / path.relative_to(part)).mkdir(exist_ok=True)
    for name in sorted(names, key=_reports_last):
        (part / name).replace(folder / name)
    known.with_kind(kind, names | kept).save()


def _reports_last(name: str) -> tuple[bool, str]:
    return name in (REPORT, BENCH_REPORT), name


def _make(output: Path | None, name: str) -> Path:
    """`output`, else a new folder of this name, or name and number, under RUNS."""
    folder, number = output or RUNS / name, 1
    check_output(folder)
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=output is not None)
            return folder.absolute()
        except OSError as error:
            if output is not None or not isinstance(error, FileExistsError):
                what = f"cannot be made: {error.strerror}"
                raise DataError(what, where=str(folder), next=_NEXT) from error
        number += 1
        folder = RUNS / f"{name}-{number}"


def open_run_folder(
    run: Run, output: Path | None, kind: str
) -> AbstractContextManager[StagedOutput]:
    """Opens the run's output folder to fill it: `output`, else a new one under ./runs."""
    target, stamp = run.resolved.target, time.strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{run.resolved.card.id}-{target.backend}-{target.precision}"
    return filled(output, name, kind, inputs_of(run))


def inputs_of(run: Run) -> frozenset[Path]:
    """The local files and folders that a run reads, with links resolved."""
    request = run.request
    paths = (request.cfg, request.names, *request.predict, request.images, request.annotations)
    places = [place for item in run.plan for place in item.stage.locations.values()]
    places += [str(path) for path in (*paths, request.calibration) if path]
    return frozenset(Path(os.path.realpath(place)) for place in places if os.path.lexists(place))
