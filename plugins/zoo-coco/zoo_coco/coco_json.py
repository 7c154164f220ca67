"""COCO annotation files: read, checked, and remembered as a short index of their images."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.facts import file_digest_cached
from zoo_core.home import folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ImageId = int | str
_FORM = 1
"""Of the remembered index; another number and it is made anew."""
_FAR = 1e9
_NEXT = "give an annotation file of COCO's detection form (instances_*.json)"
_MEND = "correct that entry of the annotation file"


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image as the file lists it; `size` is (height, width), None where it does not say."""

    id: ImageId
    name: str
    size: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The images in order of their ids, and category names by id; `sha256` is the file's."""

    images: tuple[ListedImage, ...]
    categories: Mapping[int, str]
    sha256: str


def image_index(path: Path) -> ImageIndex:
    """The index of an annotation file.

    Ids that are numbers come first, in their order, then those that are text, in theirs. The file
    is parsed once for its content and then remembered in zoo's cache folder, since planning reads
    this each time. Raises `DataError` as `read_annotations` does.
    """
    if not path.is_file():
        raise DataError("no such annotation file", where=str(path), next="check --annotations")
    sha256 = file_digest_cached(path)
    kept = folder("coco") / f"index-{sha256}.json"
    rows = _recall(kept)
    if rows is None:
        rows = _index_rows(read_annotations(path), str(path))
        _remember(kept, rows)
    images = (
        ListedImage(number, name, (height, width) if height else None)
        for number, name, height, width in rows["images"]
    )
    return ImageIndex(tuple(images), {row[0]: row[1] for row in rows["categories"]}, sha256)


def read_annotations(path: Path) -> dict[str, Any]:
    """The parsed file with its lists `images`, `annotations` and `categories` checked.

    Raises `DataError` where it is no JSON, lists no image or category, or where an entry lacks
    what detection needs: ids, distinct images with a name inside their folder, boxes.
    """
    where = str(path)
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=where) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"is no JSON: {error}", where=where, next=_NEXT) from error
    if not isinstance(data, dict):
        raise DataError("is no annotation file: no object at its top", where=where, next=_NEXT)
    for key in ("images", "categories", "annotations"):
        rows = data.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(f"has no list '{key}'", where=where, next=_NEXT)
        if not rows and key != "annotations":
            raise DataError(f"lists no {key}", where=where, next=_NEXT)
    _check_images(data["images"], where)
    _check_categories(data["categories"], where)
    _check_boxes(data["annotations"], where)
    return data


def order_of(number: ImageId) -> tuple[bool, int, str]:
    """The sorting key of image ids."""
    if isinstance(number, str):
        return True, 0, number
    return False, number, ""


def _check_images(rows: list[dict[str, Any]], where: str) -> None:
    seen: set[ImageId] = set()
    for place, row in enumerate(rows):
        number, name = row.get("id"), row.get("file_name")
        if not isinstance(number, int | str) or isinstance(number, bool):
            raise DataError(
                f"images[{place}] has no id (a number or a text)", where=where, next=_MEND
            )
        if number in seen:
            raise DataError(f"image id {number!r} is listed twice", where=where, next=_MEND)
        seen.add(number)
        if not isinstance(name, str) or not name:
            raise DataError(f"image {number!r} has no file_name", where=where, next=_MEND)
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or set(name) & set("\\\0"):
            raise DataError(
                f"file_name {name!r} leads out of the images' folder", where=where, next=_MEND
            )


def _check_categories(rows: list[dict[str, Any]], where: str) -> None:
    seen: set[int] = set()
    for place, row in enumerate(rows):
        number = row.get("id")
        if not isinstance(number, int) or not isinstance(row.get("name"), str):
            raise DataError(
                f"categories[{place}] has no numeric id and name", where=where, next=_MEND
            )
        if number in seen or not 0 <= number < _FAR:
            raise DataError(
                f"category id {number} is listed twice, or no id", where=where, next=_MEND
            )
        seen.add(number)


def _check_boxes(rows: list[dict[str, Any]], where: str) -> None:
    for place, row in enumerate(rows):
        box = row.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            what = f"annotations[{place}] has no box of four numbers"
            raise DataError(what, where=where, next=_NEXT)
        image, category = row.get("image_id"), row.get("category_id")
        if not isinstance(image, int | str) or not isinstance(category, int):
            raise DataError(
                f"annotations[{place}] has no image_id and category_id", where=where, next=_MEND
            )
        area, crowd = row.get("area"), row.get("iscrowd")
        if not (area is None or _is_number(area)) or crowd not in (None, 0, 1):
            raise DataError(
                f"annotations[{place}] has a wrong area or iscrowd", where=where, next=_MEND
            )


def _is_number(value: object) -> bool:
    """Whether it is a finite number of a sensible size; JSON knows whole numbers of any."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -_FAR < value < _FAR


def _index_rows(data: dict[str, Any], where: str) -> dict[str, Any]:
    images = []
    for row in sorted(data["images"], key=lambda row: order_of(row["id"])):
        sides = row.get("height"), row.get("width")
        known = all(isinstance(side, int) and side > 0 for side in sides)
        if any(side is not None for side in sides) and not known:
            raise DataError(
                f"image {row['id']!r} has no sensible width and height", where=where, next=_MEND
            )
        images.append([row["id"], row["file_name"], *(sides if known else (None, None))])
    categories = [[row["id"], row["name"]] for row in data["categories"]]
    return {"form": _FORM, "images": images, "categories": categories}


def _recall(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and data.get("form") == _FORM else None


def _remember(path: Path, rows: dict[str, Any]) -> None:
    """Whole or not at all; where it cannot be written, the file is parsed again next time."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(rows), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
