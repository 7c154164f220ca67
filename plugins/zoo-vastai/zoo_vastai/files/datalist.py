"""The list that vamp reads: one npz file a line; outputs are numbered by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from zoo_core.errors import DataError
from zoo_core.toolkit.files import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SUFFIX = ".npz"


@dataclass(frozen=True, slots=True)
class Datalist:
    """The lines of a list, in its order; a line's number from 0 is the number of its output."""

    path: Path
    lines: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def inputs(self) -> list[Path]:
        """Each line's file; relative ones are looked for beside the list. They need not exist."""
        return [self.path.parent / line for line in self.lines]


def read_datalist(path: Path) -> Datalist:
    """Read a list; raises `DataError` that names the line for a blank one or one given twice."""
    lines = [line.strip() for line in read_text(path).rstrip().split("\n")]
    if lines == [""]:
        raise DataError("has no line", where=str(path), next="give the list that vamp read")
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        if not line:
            raise DataError("is blank", where=where, next="remove it and run vamp again")
        if line in seen:
            what = f"repeats line {seen[line]}"
            raise DataError(what, where=where, next="remove it and run vamp again")
        seen[line] = number
    return Datalist(path, tuple(lines))


def write_datalist(path: Path, files: Sequence[Path]) -> None:
    """Write absolute paths, one a line, in the order given."""
    text = "".join(f"{file.resolve()}\n" for file in files)
    path.write_text(text, encoding="utf-8", newline="\n")


@dataclass(frozen=True, slots=True)
class Lines:
    """Which line of a list an image has; by the name of its npz file."""

    lines: tuple[str, ...]
    _numbers: Mapping[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        numbers: dict[str, list[int]] = {}
        for number, line in enumerate(self.lines):
            numbers.setdefault(PurePosixPath(line).name.removesuffix(_SUFFIX), []).append(number)
        object.__setattr__(self, "_numbers", numbers)

    def find(self, image: str) -> int:
        """The line, from 0, of an image by its name relative to the images' folder.

        `a/b.jpg` is looked for as `a__b.jpg.npz`, `b.jpg.npz`, then `b.npz`. Raises `DataError`
        where no line or more than one bears the name.
        """
        for key in _keys(image):
            found = self._numbers.get(key, [])
            if len(found) == 1:
                return found[0]
            if found:
                numbers = ", ".join(str(number + 1) for number in found)
                what = f"the datalist names {key}{_SUFFIX} in lines {numbers}"
                step = "make it with `zoo-vastai npz`, which gives each image a name of its own"
                raise DataError(what, where=f"image {image}", next=step)
        what = f"the datalist has no {PurePosixPath(image).stem}{_SUFFIX}"
        step = "evaluate the images that vamp was given, or run vamp on all of them"
        raise DataError(what, where=f"image {image}", next=step)


def _keys(image: str) -> tuple[str, ...]:
    path = PurePosixPath(image)
    return tuple(dict.fromkeys(("__".join(path.parts), path.name, path.stem)))
