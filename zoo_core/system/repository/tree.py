"""A folder with a source repository in it: what it holds, as a plan records it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from zoo_core.errors import UsageError
from zoo_core.system.file_cache import file_digests
from zoo_core.system.hashing import digest
from zoo_core.system.repository import is_commit

_MOST_FILES = 20_000
_LEFT_OUT = ("__pycache__",)


def describe_tree(folder: Path) -> dict[str, Any]:
    """The folder's HEAD commit (None outside git), and a digest of its files.

    Hidden files and folders do not count. Raises UsageError for a folder that is missing or that
    holds far more files than a repository.
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


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_left_out(name)]
        paths = [Path(place, name) for name in names if not _is_left_out(name)]
        found += [path for path in paths if path.is_file()]
        if len(found) > _MOST_FILES:
            what = f"holds more than {_MOST_FILES} files"
            raise UsageError(what, where=f"--source {folder}", next="give the checkout itself")
    return found


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in _LEFT_OUT
