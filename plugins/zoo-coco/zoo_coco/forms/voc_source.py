"""Where the annotation files and images of a Pascal VOC data set are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_coco.forms.files import MOST_LIST_BYTES, absolute, below, is_there
from zoo_core.errors import DataError, UsageError, counted, some
from zoo_core.toolkit.files import read_text
from zoo_core.toolkit.image_files import is_image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo_core.api import DataRequest

ANNOTATIONS = "Annotations"
SETS = "ImageSets"

_IMAGES = ("JPEGImages", "images")
_LISTS = ("Main/val.txt", "Main/test.txt")


@dataclass(frozen=True, slots=True)
class VocSource:
    """Annotation files below `folder`, and the folder of their images.

    A list may name images without an annotation file, as some tools write them.
    """

    folder: Path
    files: tuple[Path, ...]
    images: Path
    listed: bool
    warnings: tuple[str, ...] = ()


def voc_source(request: DataRequest) -> VocSource:
    """What the request's annotations say; raises `UsageError` and `DataError`.

    They are a folder of annotation files, the folder that holds `Annotations`, of which val is
    taken, else test, else all; or a list in `ImageSets`.
    """
    if request.annotations is None:
        raise UsageError("needs annotations", next="give --annotations DIR, a folder of XML files")
    place = absolute(request.annotations)
    root: Path | None = None
    listed: Path | None = None
    notes = []
    if place.is_file():
        root, listed = home_of(place), place
        if root is None:
            what = f"is not a list of a Pascal VOC set: no folder {ANNOTATIONS} beside {SETS}"
            raise DataError(what, where=str(place), next=f"give the folder {ANNOTATIONS}")
    elif annotations_in(place):
        root, listed = place, next((p for p in _lists(place) if p.is_file()), None)
        if listed:
            step = f"for others give --annotations {place.name}/{SETS}/Main/NAME.txt"
            notes = [f"the images of {SETS}/Main/{listed.name} were taken; {step}"]
    folder = (annotations_in(root) if root else None) or place
    files = _listed(listed, folder) if listed else _xml_below(folder)
    images = absolute(request.images) if request.images else _images(folder)
    if not images.is_dir():
        raise DataError("no such folder of images", where=str(images), next="check --images")
    return VocSource(folder, tuple(files), images, listed is not None, tuple(notes))


def annotations_in(folder: Path) -> Path | None:
    """The folder of annotation files in that of a set: `Annotations`, or any spelling with XML."""
    usual, small = folder / ANNOTATIONS, folder / ANNOTATIONS.lower()
    if usual.is_dir():
        return usual
    return small if next(small.glob("*.xml"), None) else None


def home_of(listed: Path) -> Path | None:
    """The folder of `Annotations` and `ImageSets` that a list is of; None where it is of none."""
    for folder in listed.parents:
        if folder.name == SETS:
            return folder.parent if annotations_in(folder.parent) else None
    return None


class Images:
    """The images of a set, found for each annotation file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_place: dict[Path, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        self.count = 0
        for path in sorted(path for path in below(folder) if is_image(path)):
            self.count += 1
            place = path.relative_to(folder).with_suffix("")
            self._by_place.setdefault(place, []).append(path)
            self._by_stem.setdefault(path.stem, []).append(path)

    def of(self, annotation: Path, filename: str) -> Path:
        """The image of an annotation's own name, else the one that it states.

        Tools rename the file and leave <filename> as it was. An image in the same sub-folder goes
        before others of the name. Raises `DataError` for none, and for several.
        """
        found = self._by_place.get(annotation.with_suffix(""))
        found = found or self._by_stem.get(annotation.stem, [])
        stated = self.folder / annotation.parent / filename if filename else None
        if stated and (stated in found or (not found and is_image(stated) and is_there(stated))):
            return stated
        if len(found) == 1:
            return found[0]
        where, step = str(self.folder), "give the folder of the images with --images DIR"
        if found:
            names = some([path.relative_to(self.folder) for path in found])
            what = f"{annotation} has {len(found)} images: {names}"
            raise DataError(what, where=where, next=step)
        what = f"{annotation} has no image: neither {annotation.stem}.* nor '{filename[:80]}'"
        raise DataError(what, where=where, next=step)


def left_out(images: Images, used: Iterable[Path]) -> list[str]:
    """A sentence where images have no annotation file."""
    count = images.count - len(set(used))
    what = counted(count, "image has", "images have")
    return [f"{what} no annotation file: left out"] if count > 0 else []


def _lists(root: Path) -> list[Path]:
    return [root / SETS / name for name in _LISTS]


def _listed(path: Path, folder: Path) -> list[Path]:
    """The annotation files of a list: a name per line, with the flag of a class or without."""
    lines = [line.split() for line in read_text(path, MOST_LIST_BYTES).splitlines()]
    names = [words[0] for words in lines if words]
    if not names:
        raise DataError("lists no image", where=str(path), next="write one name per line")
    files = [absolute(folder / f"{name}.xml") for name in dict.fromkeys(names)]
    outside = [file for file in files if not file.is_relative_to(folder)]
    if outside:
        what = f"lists '{outside[0].stem[:80]}', which leads out of {folder}"
        raise DataError(what, where=str(path), next="correct the list")
    if not any(map(is_there, files)):
        what = f"none of the {len(files)} annotation files that {path.name} lists is there"
        raise DataError(what, where=str(files[0])[:200], next="complete the folder")
    return files


def _xml_below(folder: Path) -> list[Path]:
    files = sorted(path for path in below(folder) if path.suffix.lower() == ".xml")
    if not files:
        raise DataError("holds no .xml file", where=str(folder), next="check --annotations")
    return files


def _images(folder: Path) -> Path:
    """The folder of images beside the annotation files, else these lie among them."""
    beside = (folder.parent / name for name in _IMAGES)
    return next((place for place in beside if place.is_dir()), folder)
