"""A folder with the source repository in it: what it holds, as a plan records it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from zoo_core.errors import UsageError
from zoo_core.toolkit.files import digest, file_digest

SCRIPT = "demo_pytorch2onnx.py"
NEEDED = (SCRIPT, "models.py")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MOST_FILES = 2000


def describe_tree(folder: Path) -> dict[str, Any]:
    """The folder's HEAD commit (None outside git), and a digest of its Python files.

    Raises UsageError for a folder that does not hold the export script.
    """
    check_tree(folder)
    commit, note = _head(folder)
    return {"commit": commit, "note": note, "tree": digest(_python_files(folder))}


def check_tree(folder: Path) -> None:
    """Raises UsageError unless the folder holds the export script and the network."""
    if not folder.is_dir():
        raise UsageError("no such folder", where=f"--source {folder}")
    for name in NEEDED:
        if not (folder / name).is_file():
            raise UsageError(
                f"holds no {name}",
                where=f"--source {folder}",
                next="give a checkout of Tianxiaomo/pytorch-YOLOv4, or 'repo'",
            )


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
    return (commit, "") if _COMMIT.fullmatch(commit) else (None, "its HEAD cannot be read")


def _resolved(name: str, place: Path) -> str:
    shared = place / "commondir"
    common = place / shared.read_text(encoding="utf-8").strip() if shared.is_file() else place
    for loose in (place / name, common / name):
        if loose.is_file():
            return loose.read_text(encoding="utf-8").strip()
    lines = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")


def _python_files(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix == ".py" and path.is_file():
                found[path.relative_to(folder).as_posix()] = file_digest(path)
        if len(found) > _MOST_FILES:
            what = f"holds more than {_MOST_FILES} Python files"
            raise UsageError(what, where=f"--source {folder}", next="give the checkout itself")
    return found
