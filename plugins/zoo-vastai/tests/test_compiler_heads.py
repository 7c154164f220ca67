from __future__ import annotations

from typing import Any

import pytest
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


def test_what_the_card_states_goes_first_and_may_be_more() -> None:
    told = {"heads": [head(8, 1, 2)]}
    stated = {"anchor": [9, 9], "strides": [64], "seg_enable": True}

    assert operator_params(NMS, stated, told, "m") == {**THRESHOLDS, **stated}


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
