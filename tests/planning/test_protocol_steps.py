"""From one protocol to another, one change at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.api import ScoringProtocol
from zoo_core.errors import UsageError
from zoo_core.planning.protocol_steps import protocol_steps, state_of
from zoo_core.toolkit.detection import DetectionRules
from zoo_core.toolkit.options import DETECTION_OPTIONS
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = Preprocess.from_data(
    [
        {"op": "decode", "colour": "rgb"},
        {"op": "resize", "mode": "stretch", "size": [320, 320], "interpolation": "bilinear"},
        {"op": "to_tensor"},
    ]
)
DARKNET = {"resize": "stretch", "interpolation": "bilinear_align_corners", "rounding": "down"}
RULES = {"conf": 0.001, "nms": 0.6, "nms_kind": "diou", "box_labels": "multi", "clip": True}


def check(values: Mapping[str, Any]) -> None:
    DetectionRules.from_values(values)


def state(size: tuple[int, int] = (320, 320), **values: Any) -> dict[str, Any]:
    protocol = ScoringProtocol(name="p", task="detection", values=values)
    return state_of(protocol, size, BASE)


def texts(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    steps = protocol_steps(before, after, DETECTION_OPTIONS, check)
    for one, two in pairwise(steps):
        assert one.after == two.before
    for step in steps:
        check({k: step.after[k] for k in step.after if k in DetectionRules.__annotations__})
    assert not steps or (steps[0].before, steps[-1].after) == (before, after)
    return [step.text for step in steps]


def test_what_the_network_sees_changes_first_and_in_one_order() -> None:
    """Whatever the order in which the protocols state their values."""
    before = state(**DARKNET, **RULES)
    values = {
        "max_detections": 300, "box_labels": "best", "nms_kind": "iou", "nms": 0.65, "conf": 0.01,
        "pad": 114, "interpolation": "bilinear", "resize": "letterbox",
    }  # fmt: skip
    expected = [
        "size 320x320 -> 416x640",
        "resize stretch -> letterbox, pad 114, rounding nearest",
        "interpolation bilinear_align_corners -> bilinear",
        "conf 0.001 -> 0.01",
        "nms 0.6 -> 0.65",
        "nms_kind diou -> iou",
        "box_labels multi -> best",
        "max_detections 300",
        "clip true -> not stated",
    ]
    for rows in (values, dict(reversed(values.items()))):
        assert texts(before, state((416, 640), **rows)) == expected
    steps = protocol_steps(before, state(**values), DETECTION_OPTIONS, check)
    assert [step.changes_input for step in steps] == [True, True, *[False] * 6]


def test_between_letterboxes_pad_and_rounding_change_alone() -> None:
    box = {"resize": "letterbox", **RULES}
    found = texts(state(**box, pad=114, rounding="down"), state(**box, pad=128))
    assert found == ["pad 114 -> 128", "rounding down -> nearest"]


def test_what_a_protocol_leaves_open_is_the_cards() -> None:
    """The card stretches bilinearly: to say so changes nothing, and rounding has no effect."""
    stated = {"resize": "stretch", "interpolation": "bilinear", "rounding": "down"}
    assert texts(state(**RULES), state(**stated, **RULES)) == []


def test_values_that_mean_nothing_apart_change_together() -> None:
    """Without NMS there is no threshold, and a state between that no evaluator takes is none."""
    off = {"conf": 0.001, "nms_kind": "none", "box_labels": "multi", "clip": True}
    assert texts(state(**RULES), state(**off)) == ["nms_kind diou -> none, nms 0.6 -> not stated"]
    assert texts(state(**off), state(**RULES)) == ["nms_kind none -> diou, nms 0.6"]


def test_a_state_that_is_refused_is_passed_by() -> None:
    """`a` and `b` may not be equal."""

    def unequal(values: Mapping[str, Any]) -> None:
        if values["a"] == values["b"]:
            raise UsageError("a is b")

    before, after = state(a=1, b=2, c=3), state(a=2, b=1, c=4)
    steps = protocol_steps(before, after, (), unequal)
    assert [step.text for step in steps] == ["a 1 -> 2, b 2 -> 1", "c 3 -> 4"]


@pytest.mark.parametrize("values", [RULES, {**RULES, "resize": "letterbox", "pad": 3}])
def test_a_protocol_is_no_step_from_itself(values: dict[str, Any]) -> None:
    assert texts(state(**values), state(**values)) == []
