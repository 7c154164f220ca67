"""The three files that a compilation must leave, told from those of an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.toolkit.files import file_digest
from zoo_vastai.names import THREE_PIECES

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells one writing of a file from another."""

    size: int
    modified_ns: int
    sha256: str


Snapshot = dict[str, FileState]


def snapshot(folder: Path) -> Snapshot:
    """The three files by name, as far as they are there."""
    found = {}
    for name in THREE_PIECES:
        path = folder / name
        if path.is_file():
            state = path.stat()
            found[name] = FileState(state.st_size, state.st_mtime_ns, file_digest(path))
    return found


def complaint(folder: Path, before: Snapshot) -> str:
    """What is wrong with the three files in words; nothing where all are there, new and filled."""
    after = snapshot(folder)
    missing = [name for name in THREE_PIECES if name not in after]
    if missing:
        return f"left no {', '.join(missing)}"
    empty = [name for name in THREE_PIECES if not after[name].size]
    if empty:
        return f"left an empty {', '.join(empty)}"
    stale = [name for name in THREE_PIECES if after[name] == before.get(name)]
    if stale:
        return f"left {', '.join(stale)} of an earlier build as it was"
    return ""


def results_folder(workspace: Path, name: str) -> Path:
    """Where the three files lie: `workspace`/`name`, else the one folder below that has them."""
    usual = workspace / name
    if all((usual / piece).exists() for piece in THREE_PIECES):
        return usual
    others = {path.parent for path in workspace.rglob(THREE_PIECES[0])}
    return others.pop() if len(others) == 1 else usual
