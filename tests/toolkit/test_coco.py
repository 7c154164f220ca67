from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.errors import DataError
from zoo_core.toolkit.coco import (
    COCO_IDS,
    COCO_NAMES,
    DARKNET_SPELLING,
    BoxCounts,
    ListedImage,
    box_warnings,
    listed_images,
    matches,
    read_annotations,
    unlisted_images,
    used_categories,
)

if TYPE_CHECKING:
    from pathlib import Path

COCO = dict(zip(COCO_IDS, COCO_NAMES, strict=True))
FILE: dict[str, Any] = {
    "images": [
        {"id": 10, "file_name": "b.jpg", "height": 4, "width": 5},
        {"id": "nine", "file_name": "b.jpg"},
    ],
    "annotations": [],
    "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}],
}
BOX: dict[str, Any] = {"id": 7, "image_id": 10, "category_id": 1, "bbox": [1, 2, 3, 4]}


@pytest.fixture
def put(tmp_path: Path) -> Any:
    """Writes the file with changes; `annotations` are changes of `BOX`."""

    def write(*annotations: dict[str, Any], **changes: Any) -> Path:
        path = tmp_path / "a.json"
        rows = [BOX | row for row in annotations]
        path.write_text(json.dumps({**FILE, "annotations": rows, **changes}), encoding="utf-8")
        return path

    return write


def test_images_keep_the_files_order_and_names(put: Any) -> None:
    path = put({}, {})
    assert listed_images(read_annotations(path), str(path)) == [
        ListedImage(10, "b.jpg", (4, 5), BoxCounts(boxes=2, repeated=1)),
        ListedImage("nine", "b.jpg", None),
    ]


@pytest.mark.parametrize(
    ("sides", "size"),
    [
        ({"height": 4.0, "width": "5"}, (4, 5)),
        ({"height": 0, "width": 0}, None),
        ({"height": None, "width": None}, None),
        ({"height": -1, "width": -1}, None),
        ({"height": "", "width": float("nan")}, None),
    ],
)
def test_sides_are_whole_numbers_or_not_stated(
    sides: dict[str, Any], size: tuple[int, int] | None
) -> None:
    file = {"images": [{"id": 7, "file_name": "a.jpg", **sides}], "annotations": []}
    assert listed_images(file, "a.json")[0].size == size


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        ({"height": 4}, "image 7 has height 4, width missing"),
        ({"height": 0, "width": 3}, "image 7 has height 0, width 3"),
        ({"width": 3.5, "height": 4}, "width of image 7 is 3.5, not an integer"),
        ({"width": "wide", "height": 4}, 'width of image 7 is "wide", not an integer'),
        ({"width": [3], "height": 4}, r"width of image 7 is \[3\], not an integer"),
        ({"width": True, "height": 4}, "width of image 7 is true, not an integer"),
    ],
)
def test_other_sides_are_told_with_their_value(sides: dict[str, Any], told: str) -> None:
    file = {"images": [{"id": 7, "file_name": "a.jpg", **sides}], "annotations": []}
    with pytest.raises(DataError, match=told):
        listed_images(file, "a.json")


SPELLINGS = {
    "underscores": lambda name: name.replace(" ", "_"),
    "hyphens": lambda name: name.replace(" ", "-"),
    "joined": lambda name: name.replace(" ", ""),
    "camels": lambda name: name.title().replace(" ", ""),
    "screams": lambda name: f" {name.upper().replace(' ', '__')}\t",
    "quoted": lambda name: f"'{name}'" if " " in name else name,
    "double_quoted": lambda name: f'"{name}"' if len(name) % 2 else name,
    "wide": lambda name: name.replace(" ", "\u00a0 "),
    "full_width": lambda name: "".join(chr(ord(c) + 0xFEE0) if c != " " else c for c in name),
    "unseen": lambda name: f"\u200e{name[0]}\u200b{name[1:]}\ufeff",
    "darknet": lambda name: {v: k for k, v in DARKNET_SPELLING.items()}.get(name, name),
    "darknet_joined": lambda name: {"tv": "TV_Monitor", "couch": "Sofa"}.get(name, name),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_any_spelling_of_either_side_matches(spelling: str) -> None:
    other = [SPELLINGS[spelling](name) for name in COCO_NAMES]
    assert matches(other, COCO) == dict(enumerate(COCO_IDS))
    assert matches(COCO_NAMES, dict(enumerate(other))) == dict(enumerate(range(80)))
    order = list(range(80))
    random.Random(1).shuffle(order)
    assert matches([other[n] for n in order], COCO) == dict(enumerate(COCO_IDS[n] for n in order))


@pytest.mark.parametrize(
    ("labels", "categories", "expected"),
    [
        (["stop sign", "stop-sign"], ["stop-sign", "stop sign"], {0: 1, 1: 0}),
        (["A", "a"], ["a", "A"], {0: 1, 1: 0}),
        (["'a'", "a"], ["a", "'A'"], {0: 1, 1: 0}),
        (["tv", "tvmonitor"], ["TV monitor", "TV"], {0: 1, 1: 0}),
        (["tv", "TV Monitor"], ["tvmonitor"], {1: 0}),
        (["a b", "a_b"], ["ab"], {}),
        (["ab"], ["a b", "a_b"], {}),
        (["a b", "a_b", "ab"], ["ab"], {2: 0}),
        (["class_1_1", "class 2"], ["class_11", "class-2"], {1: 1}),
        (["-1", "1"], ["1"], {1: 0}),
        (["C", "C++"], ["c++", "c"], {0: 1, 1: 0}),
        (["-", "_"], ["", "x"], {}),
        (["person", "person"], ["Person"], {0: 0, 1: 0}),
        (["cafe\u0301"], ["caf\u00e9"], {0: 0}),
        (["\u200b"], ["x"], {}),
        (["a", "\uff41"], ["\uff41", "a"], {0: 1, 1: 0}),
        (["STRASSE"], ["straße"], {0: 0}),
        (["hair dryer"], ["hair drier"], {}),
    ],
)
def test_names_that_differ_on_one_side_stay_apart(
    labels: list[str], categories: list[str], expected: dict[int, int]
) -> None:
    assert matches(labels, dict(enumerate(categories))) == expected


def test_a_category_with_boxes_goes_before_one_without() -> None:
    categories = {0: "person", 1: "Person", 2: "car"}
    assert matches(["person", "car"], categories, {1}) == {0: 1, 1: 2}
    assert matches(["person", "Person"], categories, {1, 2}) == {0: 0, 1: 1}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"category_id": 3}, r"annotations\[0\] \(id 7\) is of category 3, which the file does no"),
        ({"category_id": None}, r"category_id of annotations\[0\] \(id 7\) is null, not an inte"),
        ({"category_id": 1.5}, "category_id of .* is 1.5, not an integer or a string"),
        ({"category_id": True}, "category_id of .* is true, not an integer or a string"),
        ({"bbox": [1, 2, -3, 4]}, r"annotations\[0\] \(id 7\) has a box of width -3 and height 4"),
        (
            {"bbox": [1, 2, 3]},
            r"bbox of annotations\[0\] \(id 7\) is \[1, 2, 3\], not four numbers",
        ),
        ({"bbox": [1, 2, 3, "4"]}, r'bbox of .* is \[1, 2, 3, "4"\], not four numbers'),
        ({"bbox": None}, "bbox of .* is null, not four numbers"),
        ({"image_id": None}, r"image_id of annotations\[0\] \(id 7\) is null, not an integer or"),
        ({"image_id": " "}, 'image_id of .* is " ", not an integer or a string'),
        ({"area": "big"}, 'area of .* is "big", not a number'),
        ({"iscrowd": "0"}, 'iscrowd of .* is "0", not 0 or 1'),
    ],
)
def test_a_box_that_cannot_be_scored_is_told(put: Any, change: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_annotations(put(change))


def test_ids_below_zero_are_found_as_text(put: Any) -> None:
    rows = [{"id": -139, "file_name": "a.jpg"}, {"id": 139, "file_name": "b.jpg"}]
    found = read_annotations(put({"image_id": "-139"}, {"image_id": "139"}, images=rows))
    assert [row["image_id"] for row in found["annotations"]] == [-139, 139]


@pytest.mark.parametrize("text", [str, "{:012d}".format, float, lambda n: f" {n}.0 "])
def test_ids_are_found_as_text_and_as_number(put: Any, text: Any) -> None:
    rows = [{"id": 139, "file_name": "a.jpg"}, {"id": 285, "file_name": "b.jpg"}]
    numbers = [{"image_id": 285, "category_id": 2}, {"image_id": 139}]
    texts = [
        {"image_id": text(285), "category_id": text(2)},
        {"image_id": text(139), "category_id": text(1)},
    ]
    found = read_annotations(put(*texts, images=rows))
    assert found == read_annotations(put(*numbers, images=rows))
    turned = read_annotations(
        put(*numbers, images=[{**row, "id": text(row["id"])} for row in rows])
    )
    assert [row["image_id"] for row in turned["annotations"]] == [
        row["id"] for row in reversed(turned["images"])
    ]
    assert [type(row["id"]) for row in turned["images"]] == [
        str if isinstance(text(1), str) else int
    ] * 2


def test_an_id_that_may_be_two_is_told(put: Any) -> None:
    rows = [{"id": "7", "file_name": "a.jpg"}, {"id": "007", "file_name": "b.jpg"}]
    assert read_annotations(put({"image_id": "007"}, images=rows))
    with pytest.raises(DataError, match=r"\(id 7\) is of image 7: it may be '007' or '7'"):
        read_annotations(put({"image_id": 7}, images=rows))


def test_numbers_of_any_size_are_ids(put: Any) -> None:
    number = 81645724526782010095170042166076916798
    rows = [{"id": number, "file_name": "a.jpg"}, {"id": 1e3, "file_name": "b.jpg"}]
    found = read_annotations(put({"image_id": str(number)}, {"image_id": 1000}, images=rows))
    assert [row["image_id"] for row in found["annotations"]] == [number, 1000]
    assert read_annotations(put({"image_id": "9" * 5000}, images=rows))["annotations"]


def test_boxes_of_images_that_were_not_picked_are_no_error(put: Any) -> None:
    row = {"image_id": 99, "bbox": [1, 2, 0, 4]}
    file = read_annotations(put(row, {}))
    assert file["annotations"] == [BOX | row, BOX]
    assert unlisted_images(file) == [99]


def test_a_category_without_boxes_gives_way_to_one_of_its_name(put: Any) -> None:
    root = {"id": 0, "name": "person ", "supercategory": "none"}
    rows = [root, *({**row, "supercategory": "person"} for row in FILE["categories"])]
    assert read_annotations(put({}, categories=rows))["categories"] == rows[1:]
    assert read_annotations(put(categories=rows))["categories"] == [rows[0], rows[2]]
    told = r"two categories are named 'person' \(ids 0 and 1\), and boxes use both"
    with pytest.raises(DataError, match=told) as caught:
        read_annotations(put({}, {"category_id": 0}, categories=rows))
    assert "different names" in caught.value.next


def test_what_is_odd_about_boxes_is_told_with_its_count(put: Any) -> None:
    path = put(
        {"area": 5},
        {"area": None, "bbox": [1, 2, 3, 5]},
        {"area": 0, "bbox": [9, 9, 3, 4]},
        {"area": -1, "bbox": [8, 8, 3, 4]},
        {"area": 0, "bbox": [5, 5, 0, 4]},
        {"area": 2, "bbox": [5, 5, 4, 0]},
        {"area": 5},
        {"area": 5, "category_id": 2},
        {"image_id": "nine", "area": 0, "iscrowd": 1},
    )
    file = read_annotations(path)
    images = listed_images(file, str(path))
    assert images[0].counts == BoxCounts(boxes=8, empty=2, areas=2, repeated=1)
    assert images[1].counts == BoxCounts(), "a crowd is neither found nor missed"
    told = box_warnings(images, 3, ["a", 7])
    assert [text[:40] for text in told] == [
        "3 boxes of the annotation file are left ",
        "2 of 8 boxes have no width or no height:",
        "2 of 8 boxes have sides but an area that",
        "1 of 8 boxes equal another one of their ",
    ]
    assert told[0].endswith("list their images: image_id 'a', 7, ...")
    assert used_categories(file) == {1, 2}
    assert box_warnings([ListedImage(1, "a.jpg", None)]) == (
        "none of the 1 images has a box that counts: the figures are undefined",
    )


def test_places_of_odd_boxes_are_named_up_to_three() -> None:
    images = [ListedImage(n, f"{n}.jpg", None, BoxCounts(boxes=1, empty=1)) for n in range(5)]
    (told,) = box_warnings(images)
    assert told.endswith("(0.jpg, 1.jpg, 2.jpg and 2 more)")


def test_an_encoding_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('{"info": "café"}'.encode("latin-1"))
    with pytest.raises(DataError, match=r"is not UTF-8 text .*Latin-1"):
        read_annotations(path)
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le"):
        path.write_bytes(json.dumps(FILE).encode(encoding))
        assert read_annotations(path)["images"]
