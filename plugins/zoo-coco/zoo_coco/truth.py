"""The part of an annotation file that scores a run: the images that were predicted, no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.toolkit.coco import order_of, read_annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from zoo_core.toolkit.coco import CategoryId, ImageId

    Further = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Truth:
    """Images, categories and boxes in COCO's form, numbered anew from 1.

    Evaluators want whole numbers, and take a box whose id is 0 for no box at all. `numbers` maps
    the file's image ids to the new ones, and `categories` the file's category ids; both keep their
    order. `names` are the categories' names in that order.
    """

    data: dict[str, Any]
    numbers: Mapping[ImageId, int]
    categories: Mapping[CategoryId, int]
    names: tuple[str, ...]


def truth_of(
    path: Path,
    images: Collection[ImageId],
    sizes: Mapping[ImageId, tuple[int, int]] | None = None,
    further: Further | None = None,
) -> Truth:
    """The truth of these images; `sizes` are (height, width), for tasks that need them.

    `further` adds to an annotation what a task needs beside the box, from the file's row.

    Boxes without `area` get that of the box, boxes without `iscrowd` are not a crowd; boxes of
    other images are ignored. Raises `DataError` as `read_annotations` does, and for an image that
    the file does not list.
    """
    file = read_annotations(path)
    listed = {row["id"]: row for row in file["images"]}
    unknown = [number for number in images if number not in listed]
    if unknown:
        raise DataError(
            f"is the annotation of another data set: {len(unknown)} of {len(images)} predicted "
            f"images are not in it (id {unknown[0]!r})",
            where=str(path),
            next="give the annotation file of these images",
        )
    numbers = {number: row for row, number in enumerate(sorted(images, key=order_of), start=1)}
    rows = sorted(file["categories"], key=lambda row: order_of(row["id"]))
    categories = {row["id"]: number for number, row in enumerate(rows, start=1)}
    names = tuple(row["name"] for row in rows)
    boxes = [row for row in file["annotations"] if row["image_id"] in numbers]
    data = {
        # Box evaluation reads no image size, but hotcoco's data set wants one.
        "images": [
            {"id": new, "height": height, "width": width}
            for old, new in numbers.items()
            for height, width in [(sizes or {}).get(old, (1, 1))]
        ],
        "annotations": [
            _box(row, numbers[row["image_id"]], categories[row["category_id"]], new)
            | (further(row) if further else {})
            for new, row in enumerate(boxes, start=1)
        ],
        "categories": [{"id": new, "name": name} for new, name in enumerate(names, start=1)],
    }
    return Truth(data, numbers, categories, names)


def _box(row: Mapping[str, Any], image: int, category: int, number: int) -> dict[str, Any]:
    box = [float(value) for value in row["bbox"]]
    area = row.get("area")
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": box[2] * box[3] if area is None else float(area),
        "iscrowd": int(row.get("iscrowd") or 0),
    }
