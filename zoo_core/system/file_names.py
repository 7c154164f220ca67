"""Distinct names for the files that belong to images: text files, pictures."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIX = ".txt"

OWN_FILES = ".zoo-files.json"
"""The manifest of an output folder: the files that zoo wrote there."""


def text_names(images: Sequence[str]) -> list[str]:
    """The text file of each image, for image names relative to their folder.

    It is `<stem>.txt`; `<file name>.txt` where two images share a stem; and the whole relative
    path with `__` for `/` where they share the file name too (a number after it as the last
    resort). Names that differ only in case count as shared: some file systems do not distinguish
    them.
    """
    levels = [0] * len(images)
    while True:
        names = [_name(image, row, levels[row]) for row, image in enumerate(images)]
        counts = Counter(name.casefold() for name in names)
        shared = [row for row, name in enumerate(names) if counts[name.casefold()] > 1]
        if not shared:
            return names
        for row in shared:
            levels[row] += 1


def _name(image: str, row: int, level: int) -> str:
    path = PurePosixPath(image)
    plain = (path.stem, path.name, "__".join(path.parts))
    if level < len(plain):
        return plain[level] + SUFFIX
    # "a/b.jpg" and "a__b.jpg" collide still; the row cannot.
    return f"{plain[-1]}~{row}{'~' * (level - len(plain))}{SUFFIX}"
