"""COCO annotation files, remembered as a short index of their images."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.toolkit.coco import (
    BoxCounts,
    ListedImage,
    listed_images,
    order_of,
    read_annotations,
    unlisted_images,
    used_categories,
)
from zoo_core.toolkit.files import cache, digest, file_digest_cached, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.toolkit.coco import CategoryId, ImageId

_FORM = 5
"""Of what is remembered; another number and it is made anew."""

_NOWHERE = 1e9
_STRANGE = 3


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The images in order of their ids, and category names by id; `sha256` is the file's.

    `used` are the categories that boxes are of. `unlisted` is the number of boxes whose images the
    file does not list, `strange` are some of these images' ids.
    """

    images: tuple[ListedImage, ...]
    categories: Mapping[CategoryId, str]
    used: frozenset[CategoryId]
    unlisted: int
    strange: tuple[ImageId, ...]
    sha256: str

    @property
    def classes(self) -> dict[str, bool]:
        """The names of the categories, and whether boxes are of them."""
        return {name: number in self.used for number, name in self.categories.items()}


def image_index(path: Path) -> ImageIndex:
    """The index of an annotation file.

    Ids that are numbers come first, in their order, then those that are text, in theirs. The file
    is parsed once for its content and then remembered in zoo's cache folder, since planning reads
    this each time. Raises `DataError` as `read_annotations` does.
    """
    if path.is_dir():
        what = "is a folder without labels: neither .txt (YOLO) nor .xml (Pascal VOC) is in it"
        raise DataError(what, where=str(path), next="check --annotations")
    if not path.is_file():
        raise DataError("no such annotation file", where=str(path), next="check --annotations")
    sha256 = file_digest_cached(path)
    rows = _remembered(path, sha256, "index")
    return ImageIndex(
        images=tuple(
            ListedImage(number, name, (height, width) if height else None, BoxCounts(*counts))
            for number, name, height, width, *counts in rows["images"]
        ),
        categories=dict(rows["categories"]),
        used=frozenset(rows["used"]),
        unlisted=rows["unlisted"],
        strange=tuple(rows["strange"]),
        sha256=sha256,
    )


def box_ends(path: Path) -> dict[ImageId, list[list[float]]]:
    """The right and lower end of each box, by its image, as the annotation file states them.

    A box that begins left of or above its image by more than a pixel ends nowhere.
    """
    rows = _remembered(path, file_digest_cached(path), "ends")
    return {number: ends for number, ends in rows["ends"]}


def _remembered(path: Path, sha256: str, part: str) -> dict[str, Any]:
    """A part of what is remembered of an annotation file."""
    rows = _recall(_kept(sha256, part))
    if rows is None:
        data = read_annotations(path)
        ends = {"form": _FORM, "ends": list(ends_in(data).items())}
        parts = {"index": _index_rows(data, path), "ends": ends}
        for name, value in parts.items():
            _remember(_kept(sha256, name), value)
        rows = parts[part]
    return rows


def _kept(sha256: str, part: str) -> Path:
    return cache("coco") / f"{part}-{sha256}.json"


def ends_in(data: Mapping[str, Any]) -> dict[ImageId, list[list[float]]]:
    """`box_ends` of what a file in COCO's form holds."""
    ends: dict[ImageId, list[list[float]]] = {}
    for row in data["annotations"]:
        x, y, width, height = row["bbox"]
        inside = min(x, y) >= -1
        end = [x + width, y + height] if inside else [_NOWHERE, _NOWHERE]
        ends.setdefault(row["image_id"], []).append([round(side, 1) for side in end])
    return ends


def _index_rows(data: Mapping[str, Any], path: Path) -> dict[str, Any]:
    listed = sorted(listed_images(data, str(path)), key=lambda image: order_of(image.id))
    unlisted = unlisted_images(data)
    return {
        "form": _FORM,
        "images": [
            [image.id, image.name, *(image.size or (None, None)), *astuple(image.counts)]
            for image in listed
        ],
        "categories": [[row["id"], row["name"]] for row in data["categories"]],
        "used": sorted(used_categories(data), key=order_of),
        "unlisted": len(unlisted),
        "strange": list(dict.fromkeys(unlisted))[:_STRANGE],
    }


def _recall(path: Path) -> dict[str, Any] | None:
    """What was remembered, unless it is of another form, or differs from its digest."""
    try:
        rows = json.loads(path.read_bytes())
        whole = rows["form"] == _FORM and rows.pop("sha256") == digest(rows)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return rows if whole else None


def _remember(path: Path, rows: dict[str, Any]) -> None:
    """Where it cannot be written, the annotation file is parsed again next time."""
    with suppress(OSError):
        write_text(path, json.dumps({**rows, "sha256": digest(rows)}))
