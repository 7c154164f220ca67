"""Annotation files in COCO's form, read and checked, and what is odd about their boxes."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError, some
from zoo_core.system.files import not_text, read_limited
from zoo_core.toolkit.coco.names import exact, grouped, order_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zoo_core.toolkit.coco.names import CategoryId, ImageId

_FAR = 1e9
_NEXT = "give an annotation file of COCO's detection form (instances_*.json)"
_MEND = "correct that entry of the annotation file"
_WHOLE = re.compile(r"\s*(-?[0-9]{1,40})(?:\.0+)?\s*")


@dataclass(frozen=True, slots=True)
class BoxCounts:
    """How many boxes an image has, without crowds, and how many of them cannot be meant so.

    Crowds are neither found nor missed. `empty` ones have no width or no height; `areas` are those
    with sides but an area that is not above 0; `repeated` ones equal an earlier one in category and
    box.
    """

    boxes: int = 0
    empty: int = 0
    areas: int = 0
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image as the file lists it; `size` is (height, width), None where it does not say.

    `name` is relative, without "..", so that it stays in any folder that it is joined to: the
    beginning of an absolute path is left out, and a backslash is a slash.
    """

    id: ImageId
    name: str
    size: tuple[int, int] | None
    counts: BoxCounts = BoxCounts()


def read_annotations(path: Path) -> dict[str, Any]:
    """The parsed file with its lists `images`, `annotations` and `categories` checked.

    Whole numbers may be written as 139.0. Where annotations say an id as text and the lists as a
    number, or the reverse, they get the lists' one. Of categories with one name, those that no
    annotation uses are left out. Raises `DataError` where it is not JSON, lists no image or
    category, or where an entry lacks what detection needs: ids, distinct images with a name inside
    their folder, boxes with sides from 0 of a category that the file lists. Boxes may be of images
    that it does not list, as in a file whose images were picked from a larger one.
    """
    where = str(path)
    data = _parsed(path)
    for key in ("images", "categories", "annotations"):
        rows = data.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(f"has no list '{key}'", where=where, next=_NEXT)
        if not rows and key != "annotations":
            raise DataError(f"lists no {key}", where=where, next=_NEXT)
    _check_images(data["images"], where)
    _check_categories(data["categories"], where)
    _check_boxes(data, where)
    used = {row["category_id"] for row in data["annotations"]}
    data["categories"] = _distinct(data["categories"], used, where)
    return data


def listed_images(file: Mapping[str, Any], where: str) -> list[ListedImage]:
    """The images of a file that `read_annotations` gave, in its order.

    Sides that are absent, null or 0 are not stated. Raises `DataError` for other sides that are no
    whole numbers, or for one side alone.
    """
    counts = box_counts(file)
    return [
        ListedImage(
            id=row["id"],
            name=_relative(row["file_name"]),
            size=_size(row, where),
            counts=counts.get(row["id"], _NONE),
        )
        for row in file["images"]
    ]


_NONE = BoxCounts()


def used_categories(file: Mapping[str, Any]) -> set[CategoryId]:
    """The ids of those that a box is of which counts: one that is not a crowd."""
    return {row["category_id"] for row in _without_crowds(file)}


def _without_crowds(file: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return (row for row in file["annotations"] if not row.get("iscrowd"))


def box_counts(file: Mapping[str, Any]) -> dict[ImageId, BoxCounts]:
    """By image, also those that the file does not list; images without boxes are left out."""
    rows: dict[ImageId, list[dict[str, Any]]] = defaultdict(list)
    for row in _without_crowds(file):
        rows[row["image_id"]].append(row)
    return {number: _counts(boxes) for number, boxes in rows.items()}


def _counts(rows: Sequence[Mapping[str, Any]]) -> BoxCounts:
    empty = [min(row["bbox"][2:]) <= 0 for row in rows]
    areas = [(row.get("area") is None) or row["area"] > 0 for row in rows]
    return BoxCounts(
        boxes=len(rows),
        empty=sum(empty),
        areas=sum(not good and not none for good, none in zip(areas, empty, strict=True)),
        repeated=len(rows) - len({(row["category_id"], *row["bbox"]) for row in rows}),
    )


def unlisted_images(file: Mapping[str, Any]) -> list[ImageId]:
    """The image of each box whose image the file does not list."""
    own = {row["id"] for row in file["images"]}
    return [row["image_id"] for row in file["annotations"] if row["image_id"] not in own]


def box_warnings(
    images: Sequence[ListedImage], unlisted: int = 0, ids: Sequence[ImageId] = ()
) -> tuple[str, ...]:
    """What a reader of figures must know of the boxes of these images, one sentence each.

    `unlisted` is the number of boxes of images that the file does not list, such as `ids`.
    """
    boxes = sum(image.counts.boxes for image in images)
    texts = []
    if unlisted:
        texts.append(
            f"{unlisted} boxes of the annotation file are left out, since it does not list their "
            f"images: image_id {', '.join(map(repr, ids))}, ..."
        )
    if not boxes:
        texts.append(
            f"none of the {len(images)} images has a box that counts: the figures are undefined"
        )
    for name, what in _ODD.items():
        those = [image for image in images if getattr(image.counts, name)]
        if those:
            count = sum(getattr(image.counts, name) for image in those)
            place = some([image.name for image in those])
            texts.append(f"{count} of {boxes} boxes {what} ({place})")
    return tuple(texts)


_ODD = {
    "empty": "have no width or no height: they count as missed, since nothing can match them",
    "areas": "have sides but an area that is not above 0: figures by size (APs, APm ...) go by the "
    "area, and below 0 a box counts in none; correct it, or leave it out and the box's is taken",
    "repeated": "equal another one of their image in category and place: each counts as an object",
}


def _parsed(path: Path) -> dict[str, Any]:
    where = str(path)
    try:
        data = json.loads(read_limited(path))
    except UnicodeDecodeError as error:
        raise not_text(error, path) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not JSON: {error}", where=where, next=_NEXT) from error
    if not isinstance(data, dict):
        raise DataError("is not an annotation file: no object at its top", where=where, next=_NEXT)
    return data


def _check_images(rows: list[dict[str, Any]], where: str) -> None:
    seen: set[ImageId] = set()
    for place, row in enumerate(rows):
        number = row["id"] = _id(row, "id", f"images[{place}]", where)
        name = row.get("file_name")
        if number in seen:
            raise _wrong(f"image id {number!r} is listed twice", where)
        seen.add(number)
        if not isinstance(name, str) or not _relative(name):
            raise _wrong(f"image {number!r} has no file_name", where)
        if ".." in name.replace("\\", "/").split("/") or "\0" in name:
            raise _wrong(f"file_name {name!r} leads out of the images' folder", where)


def _relative(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _size(row: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    height, width = (_side(row, name, where) for name in ("height", "width"))
    if bool(height) != bool(width):
        what = f"image {row['id']!r} has height {_json(row, 'height')}, width {_json(row, 'width')}"
        raise _wrong(what, where, "state both sides, or none")
    return (height, width) if height and width else None


def _side(row: Mapping[str, Any], name: str, where: str) -> int:
    """A side; 0 where the file does not state it."""
    value = row.get(name)
    if value is None or value == "" or (isinstance(value, float) and isnan(value)):
        return 0
    side = _number(value)
    if side is None:
        raise _wrong(f"{name} of image {row['id']!r} is {_json(row, name)}, not an integer", where)
    return max(side, 0)


def _check_categories(rows: list[dict[str, Any]], where: str) -> None:
    seen: set[CategoryId] = set()
    for place, row in enumerate(rows):
        number = row["id"] = _id(row, "id", f"categories[{place}]", where)
        if not isinstance(row.get("name"), str) or not row["name"].strip():
            what = f"the name of categories[{place}] is {_json(row, 'name')}, not text"
            raise _wrong(what, where)
        if number in seen:
            raise _wrong(f"category id {number!r} is listed twice", where)
        seen.add(number)


def _distinct(
    rows: list[dict[str, Any]], used: Collection[CategoryId], where: str
) -> list[dict[str, Any]]:
    """The categories, each name once; raises `DataError` where boxes use two of one name."""
    groups = grouped(((row["name"], row["id"]) for row in rows), exact)
    dropped: set[CategoryId] = set()
    for name, numbers in groups.items():
        kept = [number for number in numbers if number in used] or numbers[:1]
        if len(kept) > 1:
            ids = f"{kept[0]!r} and {kept[1]!r}"
            what = f"two categories are named '{name}' (ids {ids}), and boxes use both"
            raise _wrong(what, where, "give them different names, or all boxes the same id")
        dropped |= {number for number in numbers if number not in kept}
    return [row for row in rows if row["id"] not in dropped]


def _check_boxes(data: Mapping[str, Any], where: str) -> None:
    images = _Ids("image", (row["id"] for row in data["images"]))
    categories = _Ids("category", (row["id"] for row in data["categories"]))
    for place, row in enumerate(data["annotations"]):
        what = f"annotations[{place}]"
        if "id" in row:
            what += f" (id {_json(row, 'id')})"
        box = row.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            raise _wrong(f"bbox of {what} is {_json(row, 'bbox')}, not four numbers", where, _NEXT)
        if min(box[2:]) < 0:
            text = f"{what} has a box of width {box[2]:g} and height {box[3]:g}"
            raise _wrong(text, where, "boxes are x, y, width, height")
        row["image_id"] = images.find(_id(row, "image_id", what, where), what, where)
        number = categories.find(_id(row, "category_id", what, where), what, where)
        if number not in categories.known:
            raise _wrong(f"{what} is of category {number!r}, which the file does not list", where)
        row["category_id"] = number
        if not (row.get("area") is None or _is_number(row["area"])):
            raise _wrong(f"area of {what} is {_json(row, 'area')}, not a number", where)
        if row.get("iscrowd") not in (None, 0, 1):
            raise _wrong(f"iscrowd of {what} is {_json(row, 'iscrowd')}, not 0 or 1", where)


class _Ids:
    """The ids of a list, found also where one side says a number as text."""

    def __init__(self, kind: str, ids: Iterable[ImageId]) -> None:
        self.known = set(ids)
        self._kind = kind
        self._plain: dict[ImageId, list[ImageId]] = defaultdict(list)
        for number in self.known:
            self._plain[_plain(number)].append(number)

    def find(self, number: ImageId, what: str, where: str) -> ImageId:
        """The list's id; the same one where the list has none. Raises `DataError` for two."""
        if number in self.known:
            return number
        found = self._plain.get(_plain(number), [number])
        if len(found) > 1:
            either = " or ".join(map(repr, sorted(found, key=order_of)))
            raise _wrong(f"{what} is of {self._kind} {number!r}: it may be {either}", where)
        return found[0]


def _plain(number: ImageId) -> ImageId:
    whole = _number(number)
    return str(number).strip() if whole is None else whole


def _id(row: Mapping[str, Any], name: str, what: str, where: str) -> ImageId:
    value = row.get(name)
    if isinstance(value, str) and value.strip():
        return value
    number = None if isinstance(value, str) else _number(value)
    if number is None:
        raise _wrong(f"{name} of {what} is {_json(row, name)}, not an integer or a string", where)
    return number


def _number(value: object) -> int | None:
    """The whole number that a value of JSON says, be it 139, 139.0 or "139"; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        whole = _WHOLE.fullmatch(value)
        return int(whole[1]) if whole else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None


def _json(row: Mapping[str, Any], name: str) -> str:
    return json.dumps(row[name])[:40] if name in row else "missing"


def _is_number(value: object) -> bool:
    """Whether it is a finite number of a sensible size; JSON knows whole numbers of any."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -_FAR < value < _FAR


def _wrong(what: str, where: str, step: str = _MEND) -> DataError:
    return DataError(what, where=where, next=step)
