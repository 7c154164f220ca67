"""Outputs and parameters that do not fit, scores of integer networks, files without a card."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from zoo_mobile.fastestdet import FastestDetDecoder
from zoo_mobile.fastestv2 import YoloFastestV2Decoder
from zoo_mobile.nanodet import NanoDetDecoder

from zoo_core.api import FileOutline, TensorSpec
from zoo_core.errors import StageError, UsageError
from zoo_core.toolkit.detection import Candidates
from zoo_core.vision import Geometry, Preprocess

DECODERS: dict[str, Any] = {
    "fastestdet": FastestDetDecoder(),
    "yolo-fastestv2": YoloFastestV2Decoder(),
    "nanodet": NanoDetDecoder(),
}
SQUARE = Geometry.identity((64, 64))


def zeros(*shapes: tuple[int, ...]) -> dict[str, Any]:
    return {str(number): np.zeros(shape, np.float32) for number, shape in enumerate(shapes)}


@pytest.mark.parametrize(
    ("name", "shapes", "expected"),
    [
        ("fastestdet", [(84, 4, 4)], r"no outputs are \[5 \+ 80 classes, 4, 4\]"),
        ("fastestdet", [(85, 2, 2)], r"0 \[85, 2, 2\]"),
        ("fastestdet", [(1, 4, 4), (4, 4, 4)], "nor its three parts"),
        ("yolo-fastestv2", [(4, 4, 95)], r"\[2, 2, 5 \* 3 anchors \+ 80 classes\]"),
        ("yolo-fastestv2", [(4, 4, 94), (2, 2, 94)], r"\[4, 4, 5 \* 3 anchors \+ 80 classes\]"),
        ("nanodet", [(84, 111)], r"\[84, 80 classes \+ 4 \* 8\]"),
        ("nanodet", [(64, 80), (16, 80), (4, 80)], "of strides 8, 16, 32"),
    ],
)
def test_outputs_of_another_network_are_refused(
    name: str, shapes: list[tuple[int, ...]], expected: str
) -> None:
    decode = DECODERS[name].bind({}, 80, 0.001)
    with pytest.raises(StageError, match=expected) as caught:
        decode(zeros(*shapes), SQUARE)
    assert caught.value.where == f"decoder {name}"
    assert "--names" in caught.value.next


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("fastestdet", {"stride": 16}, "stride"),
        ("yolo-fastestv2", {"strides": [0, 16]}, "strides must be whole numbers"),
        ("yolo-fastestv2", {"strides": [16]}, "for each of 1 strides"),
        ("yolo-fastestv2", {"anchors": 3}, "anchors must be a list"),
        ("yolo-fastestv2", {"anchors": [[[1, 2]], [[1, -2]]]}, "anchors must be a list"),
        ("yolo-fastestv2", {"anchors": [[[1, 2]], [[1, float("inf")]]]}, "anchors must be a list"),
        ("yolo-fastestv2", {"anchors": [[1, 2], [3, 4]]}, "anchors must be a list"),
        ("yolo-fastestv2", {"anchors": [[["1", 2]], [[1, 2]]]}, "anchors must be a list"),
        ("yolo-fastestv2", {"anchors": [[[1, 2]], [[True, 2]]]}, "anchors must be a list"),
        ("yolo-fastestv2", {"strides": [16, 16]}, "no two alike"),
        ("nanodet", {"strides": [8, 16, 8]}, "no two alike"),
        ("nanodet", {"strides": []}, "strides must be whole numbers"),
        ("nanodet", {"reg_max": 0}, "reg_max must be a whole number of at least 1"),
        ("nanodet", {"reg_max": 7.0}, "reg_max must be a whole number of at least 1"),
        ("nanodet", {"centre": True}, "centre must lie within -1..1"),
        ("nanodet", {"offset": 8}, "offset must lie within -1..1"),
        ("nanodet", {"scores": "logit"}, "unknown scores 'logit'"),
    ],
)
def test_wrong_parameters(name: str, params: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        DECODERS[name].bind(params, 80, 0.001)


def test_an_offset_moves_points_by_pixels() -> None:
    """The points of a stride of 8 are at 3.5, 11.5, ... where the repository's were until 2021."""
    rows = np.zeros((84, 33), np.float32)
    rows[:, 0] = 0.5
    rows[:, 1::8] = 50.0
    decode = NanoDetDecoder().bind({"offset": -0.5}, 1, 0.001)

    found = Candidates.from_arrays(decode({"output": rows}, SQUARE))

    np.testing.assert_allclose(found.boxes[1], [11.5, 3.5, 11.5, 3.5], atol=1e-3)


def test_boxes_of_nanodet_are_cut_to_the_input() -> None:
    rows = np.zeros((84, 33), np.float32)
    rows[:, 0], rows[:, 8::8] = 0.5, 50.0
    decode = NanoDetDecoder().bind({}, 1, 0.001)

    found = Candidates.from_arrays(decode({"output": rows}, SQUARE))

    np.testing.assert_allclose(found.boxes[-1], [0, 0, 64, 64], atol=1e-3)


def test_scores_beyond_one_of_an_integer_network_are_one() -> None:
    one = np.full((6, 4, 4), 1.02, np.float32)
    decode = FastestDetDecoder().bind({}, 1, 0.001)

    found = Candidates.from_arrays(decode({"output": one}, SQUARE))

    assert found.score.tolist() == [1.0] * 16


def outline(size: tuple[int, int], *shapes: tuple[int | str, ...]) -> FileOutline:
    specs = tuple(TensorSpec(name=str(n), shape=(1, *shape)) for n, shape in enumerate(shapes))
    image = TensorSpec(name="image", shape=(1, 3, *size))
    return FileOutline(inputs=(image,), outputs=specs, size=size)


PARTS = [(1600, 80), (400, 80), (100, 80), (1600, 44), (400, 44), (100, 44)]
SIX = [(12, 22, 22), (3, 22, 22), (80, 22, 22), (12, 11, 11), (3, 11, 11), (80, 11, 11)]


@pytest.mark.parametrize(
    ("name", "shown", "classes", "params", "why"),
    [
        ("fastestdet", outline((352, 352), (85, 22, 22)), 80, {}, "one output 85x22x22"),
        ("fastestdet", outline((320, 352), (25, 20, 22)), 20, {}, "20 classes"),
        ("fastestdet", outline((352, 352), (1, 22, 22), (4, 22, 22), (80, 22, 22)), 80, {}, "1, 4"),
        ("yolo-fastestv2", outline((352, 352), (22, 22, 95), (11, 11, 95)), 80, {}, "22x22x95"),
        ("yolo-fastestv2", outline((352, 352), *SIX), 80, {}, "outputs 12, 3 and 80 x22x22"),
        (
            "nanodet",
            outline((416, 416), (3598, 112)),
            80,
            {"strides": [8, 16, 32, 64], "reg_max": 7, "centre": 0.0},
            "NanoDet-Plus",
        ),
        (
            "nanodet",
            outline((416, 416), *((40, side, side) for side in (52, 26, 13, 7))),
            8,
            {"strides": [8, 16, 32, 64], "reg_max": 7, "centre": 0.0},
            "4 maps of 40 channels",
        ),
        (
            "nanodet",
            outline((320, 320), (2100, 112)),
            80,
            {"strides": [8, 16, 32], "reg_max": 7, "centre": 0.5},
            "one output 2100x112",
        ),
        (
            "nanodet",
            outline((320, 320), *PARTS),
            80,
            {"strides": [8, 16, 32], "reg_max": 10, "centre": 0.5},
            "outputs of 80 and of 44 numbers",
        ),
    ],
)
def test_files_are_recognised(
    name: str, shown: FileOutline, classes: int, params: dict[str, Any], why: str
) -> None:
    """By this decoder only; what it says can be bound and prepared."""
    found = {one: decoder.recognise(shown) for one, decoder in DECODERS.items()}

    told = found.pop(name)
    assert (told.classes, dict(told.params)) == (classes, params)
    assert why in told.why
    assert set(found.values()) == {None}
    DECODERS[name].bind(told.params, told.classes, 0.001)
    assert Preprocess.from_data(told.preprocess).size == shown.size


@pytest.mark.parametrize(
    "shown",
    [
        outline((352, 352)),
        outline((352, 352), (85, 11, 11)),
        outline((352, 352), (5, 22, 22)),
        outline((352, 352), (22, 22, 95), (11, 11, 85)),
        outline((352, 352), *SIX[:5], (79, 11, 11)),
        outline((416, 416), (3549, 85)),
        outline((416, 416), ("n", "m")),
        outline((416, 416), (3598, 32)),
        outline((320, 320), *((144, side, side) for side in (40, 20, 10))),
        outline((320, 320), *((shape[0], 42) for shape in PARTS)),
    ],
)
def test_files_of_others_are_not(shown: FileOutline) -> None:
    assert [decoder.recognise(shown) for decoder in DECODERS.values()] == [None] * 3
