"""The data sets `voc-folder` and `voc-edges-folder`: images with Pascal VOC's annotation files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_coco.forms.files import MOST_BYTES, below, is_there
from zoo_coco.forms.labelled import Box, LabelledImage, LabelledSet
from zoo_coco.forms.labelled_folder import LabelledFolder
from zoo_coco.forms.voc_source import Images, annotations_in, home_of, left_out, voc_source
from zoo_coco.forms.voc_xml import VocFile, read_voc
from zoo_coco.forms.yolo_source import yaml_in
from zoo_coco.frames import measured
from zoo_core.errors import DataError, counted, some
from zoo_core.toolkit.files import read_limited

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo_coco.forms.voc_xml import VocObject
    from zoo_coco.frames import Measured
    from zoo_core.api import DataRequest, StageContext

EDGES = "voc-edges-folder"

_NOTHING = VocFile(filename="", size=None, database="", objects=())


class VocFolder(LabelledFolder):
    """The images that have an annotation file, or that a list in ImageSets names.

    Corners are pixels counted from 1, the last one included, as the VOC devkit defines them. Where
    more boxes begin at 0, which is not such a pixel, than at 1, all are edges counted from 0.
    """

    name = "voc-folder"

    def reads(self, annotations: Path) -> bool:
        """A folder of .xml files or with `Annotations`, or a list in its `ImageSets`."""
        if annotations.is_dir():
            if annotations_in(annotations):
                return True
            files = below(annotations) if yaml_in(annotations) is None else ()
            return any(path.suffix.lower() == ".xml" for path in files)
        return annotations.is_file() and home_of(annotations.absolute()) is not None

    def read(self, request: DataRequest) -> LabelledSet:
        """Raises `DataError` for what is wrong in a file."""
        source = voc_source(request)
        bare = [path for path in source.files if not is_there(path)]
        known = [
            _NOTHING if path in set(bare) else read_voc(read_limited(path, MOST_BYTES), str(path))
            for path in source.files
        ]
        images = Images(source.images)
        paths = [
            images.of(path.relative_to(source.folder), file.filename)
            for path, file in zip(source.files, known, strict=True)
        ]
        _check_distinct(paths, source.files)
        sizes = [
            _frame(path, at, file, str(label))
            for path, at, file, label in zip(
                paths, measured(paths), known, source.files, strict=True
            )
        ]
        names = sorted({row.name for file in known for row in file.objects})
        if not names:
            raise DataError("has no object", where=str(source.folder), next="check --annotations")
        pixels, notes = self._pixels(known)
        index = {name: number for number, name in enumerate(names)}
        rows = zip(paths, sizes, known, strict=True)
        labelled = [
            LabelledImage(path, size, tuple(_box(row, index, pixels) for row in file.objects))
            for path, size, file in rows
        ]
        others = [] if source.listed else left_out(images, paths)
        notes = [*source.warnings, *_bare(bare), *others, *notes, *_difficult(known)]
        return LabelledSet(source.images, tuple(labelled), dict(enumerate(names)), tuple(notes))

    def _pixels(self, files: Sequence[VocFile]) -> tuple[bool, list[str]]:
        """Whether corners are pixels, and a warning about that."""
        starts = [min(row.corners[:2]) for file in files for row in file.objects]
        zeros, ones = (sum(at <= start < at + 1 for start in starts) for at in (0, 1))
        begin = counted(zeros, "box begins", "boxes begin")
        if zeros > ones:
            return False, [
                f"{begin} at 0, which is not a pixel of Pascal VOC: corners are read as edges "
                "counted from 0"
            ]
        if not zeros and any("voc" in file.database.lower() for file in files):
            return True, []
        odd = f"; {begin} at 0, which is none" if zeros else ""
        return True, [
            "corners are read as pixels counted from 1, the last one included, as Pascal VOC "
            f"defines them{odd}; for a tool that counts edges from 0 give --dataset {EDGES}"
        ]


class VocEdgesFolder(VocFolder):
    """The same files, of a tool that writes edges counted from 0, as most of today do."""

    name = EDGES
    writer = "write_edges_truth"

    def reads(self, annotations: Path) -> bool:
        """Only by its name: the files are those of `voc-folder`."""
        return False

    def _pixels(self, files: Sequence[VocFile]) -> tuple[bool, list[str]]:
        return False, []


def write_truth(context: StageContext) -> None:
    """The annotations as COCO's annotation file, instances.json."""
    VocFolder().write_truth(context)


def write_edges_truth(context: StageContext) -> None:
    """The same, with corners as edges."""
    VocEdgesFolder().write_truth(context)


def _check_distinct(paths: Sequence[Path], files: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    for path, file in zip(paths, files, strict=True):
        other = seen.setdefault(path, file)
        if other != file:
            what = f"is an annotation of {path.name}, as {other.name} is"
            raise DataError(what, where=str(file), next="remove one of them")


def _frame(path: Path, at: Measured, file: VocFile, where: str) -> tuple[int, int]:
    """The (height, width) that the file states; raises `DataError` for those of another image."""
    shown, stored = at.size("shown"), at.size("stored")
    if file.size is None:
        return shown
    if file.size in (shown, stored):
        return file.size
    what = f"says {file.size[1]}x{file.size[0]}, but {path.name} is {shown[1]}x{shown[0]}"
    raise DataError(what, where=where, next="use the annotation that belongs to the image")


def _box(row: VocObject, index: dict[str, int], pixels: bool) -> Box:
    left, top, right, bottom = row.corners
    if pixels:
        left, top = left - 1, top - 1
    return Box(index[row.name], (left, top, right - left, bottom - top), row.difficult)


def _bare(files: Sequence[Path]) -> list[str]:
    has = counted(len(files), "listed image has", "listed images have")
    names = some([path.stem for path in files])
    return [f"{has} no annotation file ({names}): taken as without objects"] if files else []


def _difficult(files: Sequence[VocFile]) -> list[str]:
    count = sum(row.difficult for file in files for row in file.objects)
    what = counted(count, "object is", "objects are")
    text = f"{what} marked difficult: neither found nor missed by a detection, as in Pascal VOC"
    return [text] if count else []
