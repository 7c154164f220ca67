from __future__ import annotations

from typing import Any

import pytest
from zoo_vastai.compile.described import grid_sensitivity, operator_terms
from zoo_vastai.compile.heads import operator_params

from zoo_core.errors import UsageError

NMS = {
    "type": "yolov4_nms",
    "num_classes": 80,
    "nms_threshold": 0.65,
    "confidence_threshold": 0.001,
}
THRESHOLDS = {key: value for key, value in NMS.items() if key != "type"}


def head(stride: int, *anchors: float, **changes: Any) -> dict[str, Any]:
    pairs = [list(pair) for pair in zip(anchors[::2], anchors[1::2], strict=True)]
    row = {"stride": stride, "anchors": pairs, "scale_x_y": 1.0, "new_coords": False}
    return {**row, "classes": 80, **changes}


def test_heads_of_an_exporter_are_put_in_order_of_stride() -> None:
    told = {"heads": [head(32, 81, 82, 135, 169), head(16, 10.5, 14, 23, 27)]}

    found = operator_params(NMS, {}, told, "m")

    assert found == {
        **THRESHOLDS,
        "anchor": [10.5, 14, 23, 27, 81, 82, 135, 169],
        "strides": [16, 32],
    }


def test_a_decoders_own_form_is_read_too() -> None:
    told = {"strides": [8, 16], "anchors": [[[1, 2]], [[3, 4]]]}

    assert operator_params(NMS, {}, told, "m")["anchor"] == [1, 2, 3, 4]


def test_what_the_card_states_may_be_more_but_no_other_than_the_decoder_has() -> None:
    told = {"heads": [head(16, 3, 4), head(8, 1, 2)]}
    stated = {"anchor": [1, 2, 3, 4], "strides": [8, 16], "seg_enable": True}

    assert operator_params(NMS, stated, told, "m") == {**THRESHOLDS, **stated}
    assert operator_params(NMS, stated, {}, "m") == {**THRESHOLDS, **stated}
    for key, other in (("anchor", [9, 9, 3, 4]), ("strides", [8, 64])):
        with pytest.raises(
            UsageError, match=rf"params\.{key} is .*, but the decoder has"
        ) as caught:
            operator_params(NMS, {**stated, key: other}, told, "m")
        assert f"leave {key} out" in caught.value.next


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"scale_x_y": [2, 1, 2]}, "heads of number 1, 3 have"),
        ({"scale_x_y": [1, 1.1, 1], "strides": [8, 16, 32]}, "heads of stride 16 have"),
        ({"heads": [head(8, 1, 2), head(16, 3, 4, new_coords=True)]}, "heads of stride 16 have"),
        ({"scale_x_y": [1, 1, 1]}, ""),
        ({"anchors": [[[1, 2]]]}, ""),
        ({}, ""),
    ],
)
def test_grid_sensitivity_is_told_by_head(told: dict[str, Any], words: str) -> None:
    assert grid_sensitivity(told).endswith(words)
    assert bool(grid_sensitivity(told)) == bool(words)


def test_heads_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot be read as heads"):
        operator_terms({"anchors": [[1, 2]]})


def test_nothing_known_is_told_by_name() -> None:
    with pytest.raises(UsageError) as caught:
        operator_params(NMS, {"strides": [8]}, {}, "yolo-x")

    assert "yolo-x: nobody states the anchor" in str(caught.value)
    assert "nms=host" in caught.value.next


@pytest.mark.parametrize("crooked", [{"scale_x_y": 1.05}, {"new_coords": True}])
def test_boxes_that_the_operator_does_not_decode_are_refused(crooked: dict[str, Any]) -> None:
    told = {"heads": [head(8, 1, 2), head(16, 3, 4, **crooked)]}

    with pytest.raises(UsageError, match="stride 16") as caught:
        operator_params(NMS, {}, told, "m")

    assert caught.value.next == "choose --option nms=host"


def test_an_operator_asks_only_for_what_it_needs() -> None:
    nms = {**NMS, "type": "yolox_nms"}

    assert operator_params(nms, {}, {"heads": [head(8, 1, 2)]}, "m") == THRESHOLDS
