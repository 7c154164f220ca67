"""The data set `dota-folder`: images with DOTA's label files, `labelTxt`.

A file may begin with lines such as `imagesource:GoogleEarth` and `gsd:0.146`. Each other line is an
object: `x1 y1 x2 y2 x3 y3 x4 y4 class difficult`, its corners in pixels, in turn
(captain-whu.github.io/DOTA, "Annotation format").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_coco.forms.files import MOST_BYTES, absolute, below, is_there
from zoo_coco.forms.labelled import Box, LabelledImage, LabelledSet
from zoo_coco.forms.labelled_folder import LabelledFolder
from zoo_coco.forms.voc_source import Images, left_out
from zoo_coco.frames import measured
from zoo_core.errors import DataError, UsageError, counted
from zoo_core.toolkit.files import read_head, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.api import DataRequest, StageContext

LABELS = "labelTxt"

_HEADERS = ("imagesource:", "gsd:", "acquisition dates:")
_CORNERS = 8
_FAR = 1e6
"""Pixels: no image is as wide, and further ones are a wrong column."""

_FORM = "write `x1 y1 x2 y2 x3 y3 x4 y4 class difficult`"


@dataclass(frozen=True, slots=True)
class DotaObject:
    """An object of a label file; `polygon` are x, y of its four corners in pixels."""

    name: str
    polygon: tuple[float, ...]
    difficult: bool


def read_dota(text: str, where: str) -> tuple[DotaObject, ...]:
    """The objects of a label file; a missing last value says that an object is not difficult.

    Raises `DataError` with file and line.
    """
    objects = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words and not line.strip().lower().startswith(_HEADERS):
            objects.append(_object(words, f"{where}:{number}"))
    return tuple(objects)


def is_dota(folder: Path) -> bool:
    """Whether a folder is `labelTxt`, holds it, or has a first label file of this form."""
    if folder.name == LABELS or (folder / LABELS).is_dir():
        return True
    first = min((path for path in below(folder) if _is_label(path)), default=None)
    if first is None:
        return False
    lines = read_head(first).decode("utf-8", "replace").splitlines()
    line = next((line.strip().lower() for line in lines if line.strip()), "")
    words = line.split()
    corners = len(words) in (_CORNERS + 1, _CORNERS + 2) and not _is_number(words[_CORNERS])
    return corners or line.startswith(_HEADERS)


class DotaFolder(LabelledFolder):
    """The images that have a label file; objects at an angle, or the upright boxes around them."""

    task = "oriented-detection"
    tasks = ("oriented-detection", "detection")
    name = "dota-folder"
    states_sides = False

    def reads(self, annotations: Path) -> bool:
        """A folder of label files, or the folder that holds `labelTxt`."""
        return annotations.is_dir() and is_dota(annotations)

    def read(self, request: DataRequest) -> LabelledSet:
        """Raises `DataError` for what is wrong in a file."""
        if request.annotations is None:
            step = f"give --annotations DIR, the folder that holds {LABELS}"
            raise UsageError("no labels of DOTA are given", next=step)
        place = absolute(request.annotations)
        folder = place / LABELS if (place / LABELS).is_dir() else place
        files = sorted(path for path in below(folder) if _is_label(path)) if folder.is_dir() else []
        if not files:
            raise DataError("holds no label file", where=str(folder), next="check --annotations")
        images = Images(_images(request, folder))
        paths = [images.of(path.relative_to(folder), "") for path in files]
        known = [read_dota(read_text(path, MOST_BYTES), str(path)) for path in files]
        names = sorted({each.name for file in known for each in file})
        if not names:
            raise DataError("has no object", where=str(folder), next="check --annotations")
        index = {name: number for number, name in enumerate(names)}
        labelled = [
            LabelledImage(
                path,
                at.size("shown"),
                tuple(
                    Box.around(index[each.name], each.polygon, each.difficult) for each in objects
                ),
            )
            for path, at, objects in zip(paths, measured(paths), known, strict=True)
        ]
        notes = (*left_out(images, paths), *_difficult(known))
        return LabelledSet(images.folder, tuple(labelled), dict(enumerate(names)), notes)


def write_truth(context: StageContext) -> None:
    """The labels as COCO's annotation file, instances.json."""
    DotaFolder().write_truth(context)


def _object(words: list[str], where: str) -> DotaObject:
    corners, rest = words[:_CORNERS], words[_CORNERS:]
    if len(rest) not in (1, 2) or not all(map(_is_number, corners)):
        what = f"is not an object of DOTA: {' '.join(words)[:60]!r}"
        raise DataError(what, where=where, next=_FORM)
    polygon = tuple(map(float, corners))
    if not all(abs(value) <= _FAR for value in polygon):
        what = f"has a corner that is not within {_FAR:,.0f} pixels of the image"
        raise DataError(what, where=where, next="correct that line")
    if not all(word.isdecimal() for word in rest[1:]):
        what = f"says {rest[1][:20]!r} for difficult, where 0 or 1 is needed"
        raise DataError(what, where=where, next=_FORM)
    return DotaObject(rest[0], polygon, any(word.strip("0") for word in rest[1:]))


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _is_label(path: Path) -> bool:
    return path.suffix.lower() == ".txt"


def _images(request: DataRequest, folder: Path) -> Path:
    """The given folder of images, else `images` beside the labels or above, else among them."""
    beside = (folder.parent / "images", folder.parent.parent / "images")
    found = next((place for place in beside if place.is_dir()), folder)
    images = absolute(request.images) if request.images else found
    if not is_there(images) or not images.is_dir():
        raise DataError("no such folder of images", where=str(images), next="check --images")
    return images


def _difficult(files: list[tuple[DotaObject, ...]]) -> Iterator[str]:
    count = sum(each.difficult for file in files for each in file)
    if count:
        what = counted(count, "object is", "objects are")
        yield f"{what} marked difficult: neither found nor missed by a detection, as in DOTA"
