from __future__ import annotations

import pytest
from zoo_coco.names import category_ids, coco_spelling, default_ids, unmatched

from zoo_core.errors import DataError
from zoo_core.toolkit.coco import COCO_IDS, COCO_NAMES, DARKNET_SPELLING

COCO = dict(zip(COCO_IDS, COCO_NAMES, strict=True))


def test_the_tables_are_cocos() -> None:
    assert len(COCO_NAMES) == len(set(COCO_NAMES)) == len(COCO_IDS) == 80
    assert (COCO[1], COCO[13], COCO[44], COCO[72], COCO[90]) == (
        "person",
        "stop sign",
        "bottle",
        "tv",
        "toothbrush",
    )
    assert set(DARKNET_SPELLING.values()) <= set(COCO_NAMES)


def test_both_spellings_and_any_case_find_cocos_categories() -> None:
    darknet = {coco: other for other, coco in DARKNET_SPELLING.items()}
    labels = [darknet.get(name, name).upper() for name in COCO_NAMES]
    assert category_ids(labels, COCO, COCO) == dict(enumerate(COCO_IDS))


def test_a_truth_in_darknets_spelling_is_found_too() -> None:
    assert category_ids(["tv", "Sofa"], {7: "tvmonitor", 8: "couch"}, ()) == {0: 7, 1: 8}


def test_labels_the_truth_lacks_are_left_out() -> None:
    assert category_ids(["helmet", "car"], {5: "CAR"}, ()) == {1: 5}


def test_nothing_in_common_names_both_sides_and_the_next_step() -> None:
    told = (
        r"none of its 80 categories \(person, bicycle, car and 77 more\) is one of the model's 2 "
        r"labels \('helmet', vest\)"
    )
    with pytest.raises(DataError, match=told) as caught:
        category_ids(["'helmet'", "vest"], COCO, COCO, "truth.json")
    assert caught.value.where == "truth.json"
    assert "annotations of these images" in caught.value.next
    assert "--names FILE" in caught.value.next


def test_what_is_on_one_side_only_is_named_with_its_count() -> None:
    known = {name: name != "toothbrush" for name in COCO_NAMES}
    assert unmatched(["car", "dog", "Person", "forklift"], known) == (
        "76 of the truth's 80 categories match none of the model's labels and count as 0 where "
        "they have boxes: bicycle, motorcycle, airplane and 73 more; if the model knows them, give "
        "the model's class names with --names FILE",
        "1 of the model's 4 labels matches no category of the truth: forklift; their detections "
        "are not scored and not in predictions.json",
    )
    assert unmatched(COCO_NAMES, known) == ()


@pytest.mark.parametrize("known", [("person", "Person"), ("Person", "PERSON")])
def test_categories_of_one_name_in_two_spellings_are_told(known: tuple[str, str]) -> None:
    told = unmatched(["person", "car"], {**dict.fromkeys(known, True), "car": True})
    assert sum("differs in spelling only" in text for text in told) == 1
    assert any(text.startswith(("Person: another", "Person, PERSON: another")) for text in told)


def test_a_category_without_boxes_is_not_missed() -> None:
    assert unmatched(["car"], {"objects": False, "car": True}) == ()


def test_spelling_keeps_what_is_not_cocos() -> None:
    labels = [" Pottedplant ", "Helmet", "traffic_light", "TV Monitor"]
    assert coco_spelling(labels) == ["potted plant", "Helmet", "traffic light", "tv"]
    assert coco_spelling(["tvmonitor", "tv "]) == ["tvmonitor", "tv"], "two classes stay two"


def test_ids_without_a_truth() -> None:
    assert default_ids(["motorbike", "person"]) == [4, 1]
    assert default_ids(["traffic-light", "tv_monitor"]) == [10, 72]
    assert default_ids(["helmet", "person"]) == [1, 2]
    assert default_ids(["tvmonitor", "tv"]) == [1, 2], "no two share an id"
