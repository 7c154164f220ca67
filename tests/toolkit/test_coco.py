from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.errors import DataError
from zoo_core.toolkit.coco import (
    DARKNET_SPELLING,
    ListedImage,
    ids_by_name,
    listed_images,
    name_key,
    read_annotations,
)

if TYPE_CHECKING:
    from pathlib import Path

FILE: dict[str, Any] = {
    "images": [
        {"id": 10, "file_name": "b.jpg", "height": 4, "width": 5},
        {"id": "nine", "file_name": "b.jpg"},
    ],
    "annotations": [],
    "categories": [{"id": 1, "name": "person"}],
}


def test_images_keep_the_files_order_and_names(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(FILE), encoding="utf-8")
    assert listed_images(read_annotations(path), str(path)) == [
        ListedImage(10, "b.jpg", (4, 5)),
        ListedImage("nine", "b.jpg", None),
    ]


@pytest.mark.parametrize("sides", [{"height": 4}, {"height": 0, "width": 3}, {"width": "5"}])
def test_sides_are_whole_numbers_or_absent(sides: dict[str, Any]) -> None:
    file = {"images": [{"id": 7, "file_name": "a.jpg", **sides}]}
    with pytest.raises(DataError, match="image 7 has no sensible width and height"):
        listed_images(file, "a.json")


def test_names_are_equal_in_any_spelling() -> None:
    for darknet, coco in DARKNET_SPELLING.items():
        assert name_key(f" {darknet.upper()} ") == name_key(coco) == coco
    assert name_key("Stop   sign") == "stop sign"
    assert ids_by_name({7: "tvmonitor", 3: "Stop sign"}, "f") == {"tv": 7, "stop sign": 3}
    with pytest.raises(DataError, match="f: two categories are named 'TV'"):
        ids_by_name({1: "tvmonitor", 2: "TV"}, "f")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"category_id": 2}, r"annotations\[0\] is of category 2, which the file does not list"),
        ({"bbox": [1, 2, -3, 4]}, r"annotations\[0\] has a box of width -3 and height 4"),
        ({"bbox": [1, 2, 3]}, r"annotations\[0\] has no box of four numbers"),
        ({"image_id": None}, r"annotations\[0\] has no image_id"),
    ],
)
def test_a_box_that_cannot_be_scored_is_told(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    box = {"image_id": 10, "category_id": 1, "bbox": [1, 2, 3, 4], **change}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**FILE, "annotations": [box]}), encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read_annotations(path)


def test_boxes_of_images_that_were_not_picked_are_no_error(tmp_path: Path) -> None:
    box = {"image_id": 99, "category_id": 1, "bbox": [1, 2, 0, 4]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**FILE, "annotations": [box]}), encoding="utf-8")
    assert read_annotations(path)["annotations"] == [box]
