"""COCO's form of annotations, read and checked, and what else belongs to sets of that kind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.system.files import read_limited

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ImageId = int | str

COCO_NAMES = tuple(
    """person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,
    stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,
    umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,
    baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,
    banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,
    bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,
    refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush""".replace(
        "\n    ", ""
    ).split(",")
)
"""COCO's spelling, in the order of the 80 indices."""

_UNUSED_IDS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
COCO_IDS = tuple(number for number in range(1, 91) if number not in _UNUSED_IDS)
"""COCO's category ids, in the order of `COCO_NAMES`."""

DARKNET_SPELLING = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
}
"""The six names that darknet's coco.names spells otherwise -> COCO's spelling."""

_FAR = 1e9
_NEXT = "give an annotation file of COCO's detection form (instances_*.json)"
_MEND = "correct that entry of the annotation file"


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image as the file lists it; `size` is (height, width), None where it does not say.

    `name` is relative, without "..", so that it stays in any folder that it is joined to: the
    beginning of an absolute path is left out, and a backslash is a slash.
    """

    id: ImageId
    name: str
    size: tuple[int, int] | None


def name_key(label: str) -> str:
    """What is equal for two spellings of one class: case, blanks and darknet's words aside."""
    name = " ".join(label.split()).casefold()
    return DARKNET_SPELLING.get(name, name)


def ids_by_name(categories: Mapping[int, str], where: str) -> dict[str, int]:
    """The `name_key` of each category -> its id, for names by id.

    Raises `DataError` where two categories are of one name.
    """
    ids: dict[str, int] = {}
    for number, name in categories.items():
        if name_key(name) in ids:
            raise DataError(f"two categories are named '{name}'", where=where)
        ids[name_key(name)] = number
    return ids


def read_annotations(path: Path) -> dict[str, Any]:
    """The parsed file with its lists `images`, `annotations` and `categories` checked.

    Raises `DataError` where it is not JSON, lists no image or category, or where an entry lacks
    what detection needs: ids, distinct images with a name inside their folder, boxes with sides
    from 0 of a category that the file lists. Boxes may be of images that it does not list, as in a
    file whose images were picked from a larger one.
    """
    where = str(path)
    try:
        data = json.loads(read_limited(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not JSON: {error}", where=where, next=_NEXT) from error
    if not isinstance(data, dict):
        raise DataError("is not an annotation file: no object at its top", where=where, next=_NEXT)
    for key in ("images", "categories", "annotations"):
        rows = data.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(f"has no list '{key}'", where=where, next=_NEXT)
        if not rows and key != "annotations":
            raise DataError(f"lists no {key}", where=where, next=_NEXT)
    _check_images(data["images"], where)
    _check_categories(data["categories"], where)
    _check_boxes(data["annotations"], {row["id"] for row in data["categories"]}, where)
    return data


def listed_images(file: Mapping[str, Any], where: str) -> list[ListedImage]:
    """The images of a file that `read_annotations` gave, in its order.

    Raises `DataError` for sides that are not numbers above 0, or for one side alone.
    """
    images = []
    for row in file["images"]:
        height, width = row.get("height"), row.get("width")
        known = all(isinstance(side, int) and side > 0 for side in (height, width))
        if not known and (height, width) != (None, None):
            raise _wrong(f"image {row['id']!r} has no sensible width and height", where)
        size = (height, width) if known else None
        images.append(ListedImage(row["id"], _relative(row["file_name"]), size))
    return images


def _relative(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _check_images(rows: list[dict[str, Any]], where: str) -> None:
    seen: set[ImageId] = set()
    for place, row in enumerate(rows):
        number, name = row.get("id"), row.get("file_name")
        if not isinstance(number, int | str) or isinstance(number, bool):
            raise _wrong(f"images[{place}] has no id (a number or a text)", where)
        if number in seen:
            raise _wrong(f"image id {number!r} is listed twice", where)
        seen.add(number)
        if not isinstance(name, str) or not _relative(name):
            raise _wrong(f"image {number!r} has no file_name", where)
        if ".." in name.replace("\\", "/").split("/") or "\0" in name:
            raise _wrong(f"file_name {name!r} leads out of the images' folder", where)


def _check_categories(rows: list[dict[str, Any]], where: str) -> None:
    seen: set[int] = set()
    for place, row in enumerate(rows):
        number = row.get("id")
        if not isinstance(number, int) or not isinstance(row.get("name"), str):
            raise _wrong(f"categories[{place}] has no numeric id and name", where)
        if number in seen or not 0 <= number < _FAR:
            raise _wrong(f"category id {number} is listed twice, or no id", where)
        seen.add(number)


def _check_boxes(rows: list[dict[str, Any]], categories: set[int], where: str) -> None:
    for place, row in enumerate(rows):
        box = row.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            raise _wrong(f"annotations[{place}] has no box of four numbers", where, _NEXT)
        if min(box[2:]) < 0:
            what = f"annotations[{place}] has a box of width {box[2]:g} and height {box[3]:g}"
            raise _wrong(what, where, "boxes are x, y, width, height")
        image, category = row.get("image_id"), row.get("category_id")
        if not isinstance(image, int | str) or not isinstance(category, int):
            raise _wrong(f"annotations[{place}] has no image_id and category_id", where)
        if category not in categories:
            what = f"annotations[{place}] is of category {category}, which the file does not list"
            raise _wrong(what, where)
        area, crowd = row.get("area"), row.get("iscrowd")
        if not (area is None or _is_number(area)) or crowd not in (None, 0, 1):
            raise _wrong(f"annotations[{place}] has a wrong area or iscrowd", where)


def _is_number(value: object) -> bool:
    """Whether it is a finite number of a sensible size; JSON knows whole numbers of any."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -_FAR < value < _FAR


def _wrong(what: str, where: str, step: str = _MEND) -> DataError:
    return DataError(what, where=where, next=step)
