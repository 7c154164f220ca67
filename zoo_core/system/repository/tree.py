"""A folder with a source repository in it: what it holds, as a plan records it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_core.system.file_cache import file_digests
from zoo_core.system.hashing import digest
from zoo_core.system.repository import is_commit

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_FILES = 20_000
_LEFT_OUT = (".git", "__pycache__")


def describe_tree(folder: Path) -> dict[str, Any]:
    """The folder's HEAD commit (None outside git), and a digest of its files.

    Links are followed; what `left_out` names does not count. Raises UsageError for a folder that is
    missing or that holds far more files than a repository.
    """
    if not folder.is_dir():
        raise UsageError("no such folder", where=f"--source {folder}")
    commit, note = _head(folder)
    files = sorted(_files(folder))
    names = [path.relative_to(folder).as_posix() for path in files]
    content = digest(dict(zip(names, file_digests(files), strict=True)))
    return {"commit": commit, "note": note, "tree": content}


def _head(folder: Path) -> tuple[str | None, str]:
    """HEAD's commit as git's own files tell it: a plan starts no program."""
    place = folder / ".git"
    if not place.exists():
        return None, "not a git repository"
    try:
        if place.is_file():
            place = folder / place.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        text = (place / "HEAD").read_text(encoding="utf-8").strip()
        commit = _resolved(text.removeprefix("ref: "), place) if "ref: " in text else text
    except (OSError, UnicodeDecodeError):
        commit = ""
    return (commit, "") if is_commit(commit) else (None, "its HEAD cannot be read")


def _resolved(name: str, place: Path) -> str:
    shared = place / "commondir"
    common = place / shared.read_text(encoding="utf-8").strip() if shared.is_file() else place
    for loose in (place / name, common / name):
        if loose.is_file():
            return loose.read_text(encoding="utf-8").strip()
    lines = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")


def left_out(place: str, names: Iterable[str]) -> set[str]:
    """The names in a folder that neither count nor are copied, as `shutil.copytree` asks.

    Git's own, caches, hidden folders, and links to a folder that the link is in: copies of these
    would never end.
    """
    above = {_identity(each) for each in (Path(place), *Path(place).parents)}
    paths = {name: Path(place, name) for name in names}
    return {
        name
        for name, path in paths.items()
        if name in _LEFT_OUT
        or (name.startswith(".") and path.is_dir())
        or (path.is_symlink() and _identity(path) in above)
    }


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a folder from all others; None for a link that leads nowhere."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    count = 0
    for place, folders, names in os.walk(folder, followlinks=True):
        without = left_out(place, [*folders, *names])
        folders[:] = [name for name in folders if name not in without]
        paths = [Path(place, name) for name in names if name not in without]
        found += [path for path in paths if path.is_file()]
        count += len(folders) + len(names)
        if count > _MOST_FILES:
            what = f"holds more than {_MOST_FILES} files and folders, with those that links lead to"
            step = "give the checkout itself, without links to data"
            raise UsageError(what, where=f"--source {folder}", next=step)
    return found
