"""Which files of an output folder zoo wrote: no others are ever replaced or removed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from zoo_core.errors import UsageError
from zoo_core.system.file_names import OWN_FILES
from zoo_core.system.files import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SCHEMA = "zoo.files/1"
_NEXT = "name another folder with --output"
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})


@dataclass(frozen=True, slots=True)
class OwnedFiles:
    """Files of a folder by the kind of results they belong to; names are relative, with "/"."""

    folder: Path
    kinds: Mapping[str, frozenset[str]]

    @classmethod
    def load(cls, folder: Path) -> OwnedFiles:
        """Files recorded in the folder's manifest; empty if that is missing or unreadable.

        Names that lead out of the folder do not count.
        """
        try:
            kinds = json.loads((folder / OWN_FILES).read_bytes())["files"]
            owned = {kind: frozenset(filter(_inside, names)) for kind, names in kinds.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            owned = {}
        return cls(folder, owned)

    def of_kind(self, kind: str) -> frozenset[str]:
        """The files of one kind."""
        return self.kinds.get(kind, frozenset())

    def with_kind(self, kind: str, names: Iterable[str]) -> OwnedFiles:
        """With these files for the kind's; they are of no other kind then."""
        mine = frozenset(names)
        others = {other: old - mine for other, old in self.kinds.items() if other != kind}
        return OwnedFiles(self.folder, {**others, kind: mine})

    def save(self) -> None:
        """Write the manifest."""
        files = {kind: sorted(names) for kind, names in self.kinds.items() if names}
        write_json(self.folder / OWN_FILES, {"schema": _SCHEMA, "files": files})

    def check(self, kind: str, names: Iterable[str], inputs: frozenset[Path]) -> None:
        """Raises UsageError where a user's file would be replaced by these, or removed.

        Folders in between may not be links: what they lead to is a user's.

        A user's are the files that the manifest does not name, and those that the command reads:
        `inputs`, which are files, and folders of pictures.
        """
        mine = frozenset().union(*self.kinds.values())
        if (self.folder / OWN_FILES).is_symlink():
            _refuse(self.folder / OWN_FILES, "is a link; refusing to write through it")
        for name in sorted({*names, *self.of_kind(kind)}):
            self._check_parents(name)
        for name in sorted(names):
            path = self.folder / name
            if path.is_dir() and not path.is_symlink():
                _refuse(path, "is a folder, and a file must be written there")
            if os.path.lexists(path) and name not in mine:
                _refuse(path, "exists and was not written by zoo; refusing to overwrite")
        for name in sorted({*names, *self.of_kind(kind)}):
            path = self.folder / name
            if os.path.lexists(path) and _is_input(path, inputs):
                _refuse(path, "is read by this command; refusing to overwrite")

    def _check_parents(self, name: str) -> None:
        for parent in PurePosixPath(name).parents[:-1]:
            path = self.folder / parent
            if path.is_symlink():
                _refuse(path, "is a link; refusing to write through it")
            if path.exists() and not path.is_dir():
                _refuse(path, "is a file, and a folder must be made there")


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _is_input(path: Path, inputs: frozenset[Path]) -> bool:
    real = Path(os.path.realpath(path))
    return real in inputs or (real.suffix.lower() in _PICTURES and real.parent in inputs)


def _refuse(path: Path, what: str) -> None:
    raise UsageError(what, where=str(path), next=_NEXT)
