"""The decoder: the best class at each pixel of the image, as PyTorch resizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zoo_segmentation.decoder
from zoo_segmentation.decoder import ClassMap

from zoo_core.errors import SampleError, StageError, UsageError
from zoo_core.vision import Geometry

STRETCH = Geometry(source=(45, 70), network=(32, 64), scale=(64 / 70, 32 / 45))
LETTERBOX = Geometry(source=(40, 60), network=(64, 64), scale=(0.8, 0.8), offset=(8.0, 16.0))


def decode(array: Any, geometry: Geometry, classes: int, **params: Any) -> Any:
    return ClassMap().bind(params, classes, 0.0)({"out": array}, geometry)["classes"]


@pytest.mark.parametrize("rows", [1, 1 << 22])
def test_scores_are_resized_as_pytorch_does(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(zoo_segmentation.decoder, "_AT_ONCE", rows)
    scores = np.random.default_rng(0).normal(size=(5, 8, 16)).astype(np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(scores)[None], (45, 70), mode="bilinear"
    )
    found = decode(scores, STRETCH, 5)
    assert found.dtype == np.uint8
    # Where two classes are equal to the last bit of float32 either may be taken.
    assert (found == large[0].argmax(0).numpy()).mean() > 0.999


def test_the_bars_of_a_letterbox_are_left_out() -> None:
    scores = np.zeros((3, 64, 64), np.float32)
    scores[2] = 1  # the bars
    scores[0, 16:48, 8:56], scores[2, 16:48, 8:56] = 2, 0
    scores[1, 16:24, 8:56] = 3  # the upper quarter of the image
    found = decode(scores, LETTERBOX, 3)
    assert set(np.unique(found)) == {0, 1}
    assert (found[:9] == 1).all() and (found[11:] == 0).all()


def test_numbers_are_taken_from_the_nearest_pixel() -> None:
    numbers = np.arange(6).reshape(1, 2, 3)
    whole = Geometry(source=(4, 6), network=(8, 12), scale=(2.0, 2.0))
    wanted = np.repeat(np.repeat(numbers[0], 2, 0), 2, 1)
    assert np.array_equal(decode(numbers, whole, 6), wanted)
    assert np.array_equal(decode(numbers[0].astype(np.float32), whole, 6), wanted)
    assert np.array_equal(decode(numbers, whole, 300), wanted)
    assert decode(numbers, whole, 300).dtype == np.uint16


def test_one_class_may_be_either() -> None:
    ones = np.ones((1, 2, 3), np.float32)
    whole = Geometry.identity((2, 3))
    assert (decode(ones, whole, 1) == 0).all()
    with pytest.raises(SampleError, match="numbers from 1 to 1, not classes 0 to 0"):
        decode(ones, whole, 1, form="numbers")


@pytest.mark.parametrize("value", [0.5, -1, 7])
def test_numbers_that_are_no_class_are_an_error(value: float) -> None:
    with pytest.raises(SampleError, match="not classes 0 to 6"):
        decode(np.full((1, 4, 4), value, np.float32), STRETCH, 7)


def test_scores_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(SampleError, match="not finite"):
        decode(np.full((7, 4, 4), np.nan, np.float32), STRETCH, 7)


@pytest.mark.parametrize(
    ("shape", "params"),
    [
        ((4, 8, 8), {}),
        ((8,), {}),
        ((5, 8, 8), {"form": "numbers"}),
        ((1, 8, 8), {"form": "scores"}),
    ],
)
def test_a_map_of_another_shape_is_an_error(shape: tuple[int, ...], params: Any) -> None:
    with pytest.raises(StageError, match=r"the output is \[.*, not a map of 5 classes"):
        decode(np.zeros(shape, np.float32), STRETCH, 5, **params)


def test_outputs_are_named() -> None:
    maps = {"out": np.zeros((5, 8, 8), np.float32), "aux": np.zeros((5, 8, 8), np.float32)}
    with pytest.raises(StageError, match=r"has the outputs out \[5, 8, 8\], aux"):
        ClassMap().bind({}, 5, 0.0)(maps, STRETCH)
    with pytest.raises(StageError, match="no output is named 'in'"):
        ClassMap().bind({"output": "in"}, 5, 0.0)(maps, STRETCH)


def test_parameters_are_checked() -> None:
    with pytest.raises(UsageError, match="form"):
        ClassMap().bind({"form": "logits"}, 5, 0.0)
    with pytest.raises(UsageError, match="65537 classes"):
        ClassMap().bind({}, 65537, 0.0)


@pytest.mark.parametrize("name", [3, ["a"], True])
def test_an_output_without_a_name_is_refused(name: Any) -> None:
    with pytest.raises(UsageError, match="output must be a name"):
        ClassMap().bind({"output": name}, 5, 0.0)
