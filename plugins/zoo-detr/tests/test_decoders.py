"""What the decoders make of classes without a label, other shapes, ties and wrong parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from zoo_detr.heads import DetrDecoder, RtDetrDecoder

from zoo_core.errors import StageError, UsageError
from zoo_core.toolkit.detection import Candidates
from zoo_core.vision import Geometry

PLACE = Geometry.identity((100, 200))
BOX = [0.5, 0.5, 0.2, 0.4]


def decoded(decoder: Any, outputs: dict[str, Any], classes: int, **params: Any) -> Candidates:
    decode = decoder.bind(params, classes, 0.01)
    return Candidates.from_arrays(decode(outputs, PLACE))


def table(*rows: Any) -> Any:
    return np.array(rows, np.float32)


def test_boxes_are_parts_of_the_input() -> None:
    found = decoded(RtDetrDecoder(), {"l": table([9.0]), "b": table(BOX)}, 1)
    assert found.boxes.tolist() == [[80, 30, 120, 70]]


def test_of_equal_scores_the_earlier_pairs_fill_the_top() -> None:
    logits = table([0, 1, 0], [0, 1, 2])
    found = decoded(RtDetrDecoder(), {"l": logits, "b": table(BOX, BOX)}, 3, top=4)
    pairs = list(zip(found.box.tolist(), found.label.tolist(), strict=True))
    assert pairs == [(0, 0), (0, 1), (1, 1), (1, 2)]


def test_a_query_may_have_several_classes_or_none() -> None:
    logits = table([3, 2, -9], [-9, -9, -9])
    found = decoded(RtDetrDecoder(), {"l": logits, "b": table(BOX, BOX)}, 3)
    assert found.anchor.tolist() == [0]
    assert found.label.tolist() == [0, 1]


def test_the_top_counts_classes_without_a_label() -> None:
    outputs = {"l": table([5, 4, 3, 2]), "boxes": table(BOX)}
    found = decoded(RtDetrDecoder(), outputs, 2, top=3, columns=[3, 1])
    assert found.label.tolist() == [1]
    every = decoded(RtDetrDecoder(), outputs, 2, columns=[3, 1])
    assert every.label.tolist() == [0, 1]


def test_scores_that_are_no_number_are_no_detection() -> None:
    logits = table([np.nan, 1.0], [np.inf, -np.inf])
    boxes = table(BOX, BOX)
    assert len(decoded(RtDetrDecoder(), {"l": logits, "b": boxes}, 2)) == 2
    assert len(decoded(DetrDecoder(), {"l": logits, "b": boxes}, 1)) == 0


def test_outputs_are_told_apart_by_shape_then_by_name() -> None:
    logits, boxes = np.full((2, 4), 3, np.float32), table(BOX, BOX)
    named = decoded(RtDetrDecoder(), {"pred_boxes": boxes, "logits": logits}, 4)
    assert named.boxes[0].tolist() == [80, 30, 120, 70]
    stated = decoded(RtDetrDecoder(), {"a": logits, "c": boxes}, 4, boxes="c")
    assert stated.boxes[0].tolist() == [80, 30, 120, 70]
    with pytest.raises(StageError, match=r"no single pair of outputs is \[n, 4\] and \[n, 4\]"):
        decoded(RtDetrDecoder(), {"a": logits, "c": boxes}, 4)


@pytest.mark.parametrize(
    ("decoder", "classes", "params", "words"),
    [
        (DetrDecoder(), 3, {}, r"\[n, 4\] and \[n, 4\]: l \[2, 5\], b \[2, 4\]"),
        (RtDetrDecoder(), 4, {}, r"\[n, 4\] and \[n, 4\]"),
        (RtDetrDecoder(), 80, {"columns": "coco91"}, r"\[n, 91 or more\]"),
        (RtDetrDecoder(), 5, {"boxes": "boxes"}, "labels .* and decoder_params"),
    ],
)
def test_other_outputs_are_refused(
    decoder: Any, classes: int, params: dict[str, Any], words: str
) -> None:
    outputs = {"l": np.zeros((2, 5), np.float32), "b": table(BOX, BOX)}
    with pytest.raises(StageError, match=words):
        decoded(decoder, outputs, classes, **params)


def chosen(labels: Any, name: str = "labels") -> dict[str, Any]:
    count = len(labels)
    scores = np.full(count, 0.5, np.float32)
    return {"scores": scores, name: labels, "b": np.ones((count, 4), np.float32)}


def test_labels_are_found_by_dtype_or_name() -> None:
    for labels, name in (
        (np.array([2, 0]), "x"),
        (table(2, 0), "Labels"),
        (table(2, 0), "classes"),
    ):
        found = decoded(RtDetrDecoder(), chosen(labels, name), 3)
        assert found.label.tolist() == [2, 0]
    with pytest.raises(StageError, match=r"labels \[n\], boxes \[n, 4\] and scores \[n\]"):
        decoded(RtDetrDecoder(), chosen(table(2, 0), "x"), 3)


@pytest.mark.parametrize("label", [3, -1, 0.5])
def test_a_class_that_the_model_lacks_is_told(label: float) -> None:
    with pytest.raises(StageError, match=r"the file gives class .*, the model has 3 labels"):
        decoded(RtDetrDecoder(), chosen(table(1, label)), 3)


def test_what_scores_below_the_floor_may_have_any_label() -> None:
    outputs = chosen(np.array([1, 99]))
    outputs["scores"][1] = 0
    assert decoded(RtDetrDecoder(), outputs, 3).label.tolist() == [1]


def test_ids_without_a_category_are_left_out() -> None:
    found = decoded(RtDetrDecoder(), chosen(np.array([1, 12, 90, 91])), 80, columns="coco91")
    assert found.label.tolist() == [0, 79]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"columns": "coco"}, "decoder_params.columns: must be different whole numbers"),
        ({"columns": [1, 1]}, "must be different whole numbers"),
        ({"columns": [0, True]}, "must be different whole numbers"),
        ({"columns": [0, -1]}, "must be different whole numbers"),
        ({"columns": [4]}, "has 1 classes, the model 2 labels"),
        ({"columns": "coco91"}, "has 80 classes, the model 2 labels"),
        ({"top": 0}, "decoder_params.top: must be 1 or more, is 0"),
        ({"top": True}, "must be 1 or more"),
        ({"boxes": 3}, "decoder_params.boxes: must be the name of an output, is 3"),
        ({"colums": [1]}, "unknown 'colums'"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RtDetrDecoder().bind(params, 2, 0.0)
