"""The letterbox step of a trained network, against the figures of an independent pipeline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

DATA = Path(os.environ.get("ZOO_TEST_DATA", "/nonexistent"))
pytestmark = pytest.mark.skipif(
    "ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is unset: no real images here"
)


def test_the_letterbox_step_is_worth_what_others_measure(zoo: Zoo) -> None:
    """20.37 by stretch and 17.97 by letterbox; NMS .45 by stretch 20.10 (README of the data)."""
    weights = DATA / "yolo-fastest-1.1-xl" / "yolo-fastest-1.1-xl.weights"
    images = DATA / "coco-val2017-128"
    done = zoo(
        "eval", "yolo-fastest-1.1-xl-darknet", "--weights", weights, "--size", "320,320",
        "--images", images / "images", "--annotations", images / "instances.json",
        "--resize", "stretch", "--conf", "0.001", "--nms", "0.65", "--nms-kind", "iou",
        "--box-labels", "multi", "-o", "run", "-q",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    way = zoo("explain", "run", "--resize", "letterbox", "--json").json["waterfall"]
    (effect,) = way["effects"]
    ap = effect["metrics"][0]
    scored = zoo("rescore", "run", "--nms", "0.45", "--json", "-").json["metrics"]

    assert effect["network"]
    assert effect["change"].startswith("resize stretch -> letterbox")
    assert ap["values"] == pytest.approx([0.2037, 0.1797], abs=0.001)
    assert ap["difference"] == pytest.approx(-0.024, abs=0.003)
    assert ap["low"] < ap["difference"] < ap["high"] < 0
    assert (scored["AP"], scored["AP50"]) == pytest.approx((0.2010, 0.4313), abs=0.001)
