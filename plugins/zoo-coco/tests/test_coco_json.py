from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from zoo_coco import coco_json
from zoo_coco.coco_json import image_index

from zoo_core.errors import DataError
from zoo_core.toolkit.coco import BoxCounts, read_annotations
from zoo_core.toolkit.files import cache

if TYPE_CHECKING:
    from pathlib import Path

GOOD: dict[str, Any] = {
    "images": [
        {"id": 10, "file_name": "b.jpg", "height": 4, "width": 5},
        {"id": 9, "file_name": "a.jpg"},
    ],
    "annotations": [{"id": 1, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]}],
    "categories": [{"id": 1, "name": "person"}],
}


def put(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps({**GOOD, **changes}))
    return path


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    index = image_index(put(tmp_path / "a.json"))
    assert [(image.id, image.name, image.size) for image in index.images] == [
        (9, "a.jpg", None),
        (10, "b.jpg", (4, 5)),
    ]
    assert index.categories == {1: "person"}
    assert index.used == {1}
    assert index.unlisted == 0


def test_the_index_remembers_what_is_odd(tmp_path: Path) -> None:
    box = GOOD["annotations"][0]
    rows = [box, box, {**box, "bbox": [0, 0, 0, 1]}, {**box, "area": 0}, {**box, "image_id": 77}]
    path = put(tmp_path / "a.json", annotations=rows)
    for index in (image_index(path), image_index(path)):
        assert (index.unlisted, index.strange) == (1, (77,))
        assert [image.counts for image in index.images] == [
            BoxCounts(boxes=4, empty=1, areas=1, repeated=2),
            BoxCounts(),
        ]


def test_texts_are_ordered_as_texts_after_numbers(tmp_path: Path) -> None:
    ids = ["b", 2, "a10", "a9", 1]
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in ids]
    index = image_index(put(tmp_path / "a.json", images=images, annotations=[]))
    assert [image.id for image in index.images] == [1, 2, "a10", "a9", "b"]


def test_the_file_is_parsed_once_for_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "a.json")
    first = image_index(path)
    with monkeypatch.context() as patch:
        patch.setattr(coco_json, "read_annotations", None)
        assert image_index(path) == first
    put(path, categories=[{"id": 1, "name": "car"}])
    assert image_index(path).categories == {1: "car"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "lists no images"),
        ({"images": None}, "has no list 'images'"),
        ({"images": ["a.jpg"]}, "has no list 'images'"),
        ({"categories": []}, "lists no categories"),
        ({"annotations": {}}, "has no list 'annotations'"),
        (
            {"images": [{"id": True, "file_name": "a"}]},
            r"id of images\[0\] is true, not an integer",
        ),
        ({"images": [{"id": 1.5, "file_name": "a"}]}, r"id of images\[0\] is 1.5, not an integer"),
        ({"images": [{"id": 1}]}, "no file_name"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}, "listed twice"),
        ({"images": [{"id": 1, "file_name": "../a"}]}, "leads out"),
        ({"images": [{"id": 1, "file_name": "/"}]}, "no file_name"),
        ({"images": [{"id": 1, "file_name": "a\\..\\b"}]}, "leads out"),
        ({"images": [{"id": 1, "file_name": "a", "height": 0, "width": 3}]}, "height 0, width 3"),
        ({"categories": [{"id": None, "name": "y"}]}, r"id of categories\[0\] is null"),
        ({"categories": [{"id": 1, "name": 5}]}, r"name of categories\[0\] is 5, not text"),
        ({"categories": [{"id": 1, "name": "y"}, {"id": 1, "name": "z"}]}, "listed twice"),
        (
            {"annotations": [{"image_id": 1, "category_id": 1}]},
            "bbox .* is missing",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3]}]},
            "not four",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, "4"]}]},
            "not four numbers",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 10**400]}]},
            "not four numbers",
        ),
        ({"annotations": [{**GOOD["annotations"][0], "area": "big"}]}, 'area of .* is "big"'),
        ({"annotations": [{**GOOD["annotations"][0], "iscrowd": "no"}]}, "iscrowd"),
        ({"annotations": [{"image_id": [], "category_id": 1, "bbox": [1, 2, 3, 4]}]}, "image_id"),
    ],
)
def test_wrong_entries_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = put(tmp_path / "a.json", **changes)
    with pytest.raises(DataError, match=message) as caught:
        image_index(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"images": [', b"\xff\xfe", b"[" * 100_000])
def test_no_json_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not JSON"):
        read_annotations(path)


def test_no_object_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(DataError, match="no object"):
        read_annotations(tmp_path / "list.json")
    with pytest.raises(DataError, match="no such annotation file"):
        image_index(tmp_path / "absent.json")


@pytest.mark.parametrize("text", ["{", "[" * 5000, "[]", '{"form": 4, "sha256": "0"}', ""])
def test_a_damaged_index_is_made_again(tmp_path: Path, text: str) -> None:
    path = put(tmp_path / "a.json")
    first = image_index(path)
    for kept in cache("coco").glob("index-*.json"):
        kept.write_text(text)

    assert image_index(path) == first


def test_an_index_with_another_digit_is_made_again(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json")
    first = image_index(path)
    for kept in cache("coco").glob("index-*.json"):
        text = kept.read_text()
        assert '"b.jpg", 4, 5' in text
        kept.write_text(text.replace('"b.jpg", 4, 5', '"b.jpg", 4, 6'))

    assert image_index(path) == first
