"""The part of an annotation file that scores a run: the images that were predicted, no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_coco.coco_json import order_of
from zoo_core.errors import DataError
from zoo_core.toolkit.coco import read_annotations

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from zoo_core.toolkit.coco import ImageId


@dataclass(frozen=True, slots=True)
class Truth:
    """Images and boxes in COCO's form, numbered anew from 1.

    Evaluators want whole numbers, and take a box whose id is 0 for no box at all. `numbers` maps
    the file's image ids to the new ones, which keep their order; `categories` are names by id, as
    the file has them.
    """

    data: dict[str, Any]
    numbers: Mapping[ImageId, int]
    categories: Mapping[int, str]


def truth_of(path: Path, images: Collection[ImageId]) -> Truth:
    """The truth of these images.

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
    categories = {row["id"]: row["name"] for row in file["categories"]}
    boxes = [row for row in file["annotations"] if row["image_id"] in numbers]
    data = {
        "images": [_image(listed[number], new) for number, new in numbers.items()],
        "annotations": [
            _box(row, numbers[row["image_id"]], new) for new, row in enumerate(boxes, start=1)
        ],
        "categories": [{"id": number, "name": name} for number, name in categories.items()],
    }
    return Truth(data, numbers, categories)


def _image(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    # Box evaluation reads no image size, but hotcoco's data set wants one.
    return {"id": number, "width": row.get("width") or 1, "height": row.get("height") or 1}


def _box(row: Mapping[str, Any], image: int, number: int) -> dict[str, Any]:
    box = [float(value) for value in row["bbox"]]
    area = row.get("area")
    return {
        "id": number,
        "image_id": image,
        "category_id": row["category_id"],
        "bbox": box,
        "area": box[2] * box[3] if area is None else float(area),
        "iscrowd": int(row.get("iscrowd") or 0),
    }
