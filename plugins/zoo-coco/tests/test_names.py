from __future__ import annotations

import pytest
from zoo_coco.names import (
    category_ids,
    coco_spelling,
    default_ids,
)

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
    assert category_ids(labels, COCO, "f") == dict(enumerate(COCO_IDS))


def test_a_truth_in_darknets_spelling_is_found_too() -> None:
    assert category_ids(["tv", "Sofa"], {7: "tvmonitor", 8: "couch"}, "f") == {0: 7, 1: 8}


def test_labels_the_truth_lacks_are_left_out() -> None:
    assert category_ids(["helmet", "car"], {5: "CAR"}, "f") == {1: 5}


def test_nothing_in_common_is_another_data_set() -> None:
    with pytest.raises(DataError, match="annotation of another data set"):
        category_ids(["helmet", "vest"], COCO, "truth.json")


def test_two_categories_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="two categories"):
        category_ids(["tv"], {1: "tv", 2: "TVmonitor"}, "f")


def test_spelling_keeps_what_is_not_cocos() -> None:
    assert coco_spelling(" Pottedplant ") == "potted plant"
    assert coco_spelling("Helmet") == "Helmet"


def test_ids_without_a_truth() -> None:
    assert default_ids(["motorbike", "person"]) == [4, 1]
    assert default_ids(["helmet", "person"]) == [1, 2]
