"""Images with boxes, in whatever form they were written, and the same in COCO's form."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.toolkit.coco import COCO_IDS, COCO_NAMES, matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.toolkit.coco import ImageId

_MOST_DIGITS = 15
"""Of a file name that is a number: further digits are not kept by every JSON reader."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the class `label`: x, y, width and height in pixels.

    x and y count from 0 at the image's left and upper edge. An `ignored` box is neither found nor
    missed by a detection. `polygon` is x, y of each corner of an object at an angle, in turn.
    """

    label: int
    xywh: tuple[float, float, float, float]
    ignored: bool = False
    polygon: tuple[float, ...] = ()

    @classmethod
    def around(cls, label: int, polygon: Sequence[float], ignored: bool = False) -> Box:
        """The upright box around a polygon, which it keeps."""
        left, top = min(polygon[::2]), min(polygon[1::2])
        sides = max(polygon[::2]) - left, max(polygon[1::2]) - top
        return cls(label, (left, top, *sides), ignored, tuple(polygon))


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image and its boxes; `size` is the stated (height, width) of the frame of these."""

    path: Path
    size: tuple[int, int]
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Images below one folder; `names` are the classes by index."""

    folder: Path
    images: tuple[LabelledImage, ...]
    names: Mapping[int, str]
    warnings: tuple[str, ...] = ()


def coco_form(known: LabelledSet, where: str) -> dict[str, Any]:
    """The set as COCO's annotation file: images in order of their ids, boxes in theirs.

    An image's id is the number that its file is named by, where all are; else its name below the
    folder. A category's id is COCO's where all classes are COCO's; else the index of the class
    plus 1. The area is that of the box or of its polygon, which is the segmentation. Raises
    `DataError` where two classes are of one name.
    """
    categories = _category_ids(known.names, where)
    numbered = sorted(_numbered(known), key=lambda row: row[0])
    boxes = [(number, box) for number, image in numbered for box in image.boxes]
    return {
        "images": [
            {
                "id": number,
                "file_name": _name(image, known.folder),
                "width": image.size[1],
                "height": image.size[0],
            }
            for number, image in numbered
        ],
        "annotations": [
            {
                "id": row,
                "image_id": number,
                "category_id": categories[box.label],
                "bbox": list(box.xywh),
                "area": _area(box),
                "iscrowd": int(box.ignored),
                **({"segmentation": [list(box.polygon)]} if box.polygon else {}),
            }
            for row, (number, box) in enumerate(boxes, start=1)
        ],
        "categories": [
            {"id": categories[index], "name": name} for index, name in known.names.items()
        ],
    }


def _area(box: Box) -> float:
    """In square pixels; a polygon's by the shoelace formula."""
    if not box.polygon:
        return box.xywh[2] * box.xywh[3]
    x, y = box.polygon[::2], box.polygon[1::2]
    turns = zip(x, y, (*x[1:], x[0]), (*y[1:], y[0]), strict=True)
    return abs(sum(a * d - b * c for a, b, c, d in turns)) / 2


def _name(image: LabelledImage, folder: Path) -> str:
    return image.path.relative_to(folder).as_posix()


def _numbered(known: LabelledSet) -> list[tuple[ImageId, LabelledImage]]:
    stems = [image.path.stem for image in known.images]
    if len({_number(stem) for stem in stems} - {None}) == len(stems):
        return [(int(image.path.stem), image) for image in known.images]
    return [(_name(image, known.folder), image) for image in known.images]


def _number(stem: str) -> int | None:
    is_number = stem.isascii() and stem.isdecimal() and len(stem) <= _MOST_DIGITS
    return int(stem) if is_number else None


def _category_ids(names: Mapping[int, str], where: str) -> dict[int, int]:
    labels = list(names.values())
    name, count = Counter(labels).most_common(1)[0]
    if count > 1:
        what = f"two classes are named '{name}'"
        raise DataError(what, where=where, next="rename one of them")
    found = matches(labels, dict(zip(COCO_IDS, COCO_NAMES, strict=True)))
    if len(found) == len(labels):
        return {index: found[row] for row, index in enumerate(names)}
    return {index: index + 1 for index in names}
