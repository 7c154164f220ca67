"""The folder that a command leaves: checked before the work, made after it."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.disk import disk_errors
from zoo_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = Path("runs")
"""Where run folders go that are not named."""

REPORT = "report.json"
"""Written last: a folder without it is not whole."""

_NEXT = "name another folder with --output"
_WRITTEN = (
    "txt/*.txt",
    "pictures/*.jpg",
    "predictions.*",
    "latency_ms.json",
    "report.md",
    "manifest.json",
    "log.txt",
)


def check_output(folder: Path) -> None:
    """Raises DataError where a folder of this name can surely not be made or not be written."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise DataError("is a file, not a folder", where=str(place), next=_NEXT)
    if not os.access(place, os.W_OK | os.X_OK):
        raise DataError("cannot be written: Permission denied", where=str(place), next=_NEXT)


def make_output(folder: Path) -> Path:
    """The folder, made where it does not exist; raises DataError where it cannot be."""
    check_output(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(folder, error) from error
    return folder.absolute()


@contextmanager
def filled(output: Path | None, name: str) -> Iterator[Path]:
    """The folder to fill: `output`, else a new one of this name, or name and number, under RUNS.

    A folder that was not there before goes again where filling it fails. Raises DataError where it
    cannot be made, and for a full disk.
    """
    was_there = output is not None and output.exists()
    folder = _new(RUNS / name) if output is None else make_output(output)
    try:
        with disk_errors(folder, next=f"free space, or {_NEXT}"):
            yield folder
    except BaseException:
        if not was_there:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def clear_results(folder: Path) -> None:
    """Take away what an earlier command left there, so that no folder holds results of two.

    Nothing goes from a folder without a report of zoo; the report goes first.
    """
    if _is_ours(folder / REPORT):
        (folder / REPORT).unlink()
        for pattern in _WRITTEN:
            for path in folder.glob(pattern):
                path.unlink()


def deliver(source: Path, target: Path) -> None:
    """Copy a file, or what a folder holds; each file appears whole or not at all."""
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for path in sorted(source.iterdir()):
            deliver(path, target / path.name)
        return
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, part)
        shutil.copymode(source, part)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _new(folder: Path) -> Path:
    check_output(folder)
    number, found = 1, folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with suppress(FileExistsError):
                found.mkdir()
                return found.absolute()
            number += 1
            found = folder.with_name(f"{folder.name}-{number}")
    except OSError as error:
        raise _refused(folder, error) from error


def _is_ours(report: Path) -> bool:
    try:
        schema = json.loads(report.read_bytes())["schema"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return str(schema).startswith("zoo.")


def _refused(folder: Path, error: OSError) -> DataError:
    return DataError(f"cannot be made: {error.strerror}", where=str(folder), next=_NEXT)
