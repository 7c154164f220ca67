"""The core's reference, vamc's operations and the device's operation make the same tensor.

Both executors below are written from the vendor's formats alone and share no code with the plugin
or the core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from zoo_vastai.compile.preprocess import per_image, render_process_ops, render_vdsp
from zoo_vastai_emulator.site import vaststreamx as vsx
from zoo_vastai_emulator.site.vaststreamx.vdsp import FusedOp

from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

GREY = 114
MODES = {
    "bilinear": cv2.INTER_LINEAR,
    "BILINEAR_CV": cv2.INTER_LINEAR,
    "NEAREST": cv2.INTER_NEAREST,
}


def by_process_ops(ops: list[dict[str, Any]], image: NDArray[Any]) -> NDArray[Any]:
    """What vamc makes of a decoded RGB image; grey and centre of Pad are assumed."""
    value: Any = image
    for op in ops:
        kind = op["type"]
        if kind == "CvtColor":
            assert op["code"] == "COLOR_RGB2BGR"
            value = value[..., ::-1]
        elif kind == "Resize":
            height, width = op["size"]
            if op.get("adaptive_side") == "long":
                ratio = height / max(value.shape[:2])
                height, width = (round(side * ratio) for side in value.shape[:2])
            value = cv2.resize(np.ascontiguousarray(value), (width, height))
        elif kind == "Pad":
            assert op["pad_to_square"]
            side = max(value.shape[:2])
            canvas = np.full((side, side, 3), GREY, value.dtype)
            top, left = (side - value.shape[0]) // 2, (side - value.shape[1]) // 2
            canvas[top : top + value.shape[0], left : left + value.shape[1]] = value
            value = canvas
        elif kind == "CenterCrop":
            height, width = op["crop_size"]
            top, left = (value.shape[0] - height) // 2, (value.shape[1] - width) // 2
            value = value[top : top + height, left : left + width]
        elif kind == "Normalize":
            value = value.astype(np.float32) / (255 if op["div255"] else 1)
            if "mean" in op:
                value = (value - np.float32(op["mean"])) / np.float32(op["std"])
        elif kind == "ToTensor":
            value = value.transpose(2, 0, 1)
        else:
            assert kind == "DecodeImage"
    return np.asarray(value, np.float32)


def by_vdsp(
    data: dict[str, Any], image: NDArray[Any], told: Mapping[str, tuple[int, ...]]
) -> NDArray[np.float16]:
    """What the device makes of an RGB image, told its own numbers: half floats [3, H, W]."""
    kind, config = data["OpType"], data["OpConfig"]
    assert config["IimageFormat"] == "RGB_PLANAR"
    height, width = config["OimageHeight"], config["OimageWidth"]
    inter = MODES[config["ResizeType"]]
    if kind.endswith("_EXT"):
        wide, high, top, bottom, left, right = told["rgb_letterbox_ext"]
        inner = cv2.resize(image, (wide, high), interpolation=inter)
        border, grey = cv2.BORDER_CONSTANT, config["Padding"]
        canvas = cv2.copyMakeBorder(inner, top, bottom, left, right, border, value=grey)
    elif "LETTERBOX" in kind:
        ratio = min(height / image.shape[0], width / image.shape[1])
        high, wide = (round(side * ratio) for side in image.shape[:2])
        canvas = np.empty((height, width, 3), np.uint8)
        canvas[:] = config["Padding"]
        top, left = (height - high) // 2, (width - wide) // 2
        canvas[top : top + high, left : left + wide] = cv2.resize(
            image, (wide, high), interpolation=inter
        )
    elif "CROP" in kind:
        named = (config[key] for key in ("CropX", "CropY", "ResizeWidth", "ResizeHeight"))
        x, y, wide, high = told.get("crop_resize_ext") or tuple(named)
        resized = cv2.resize(image, (wide, high), interpolation=inter)
        canvas = resized[y : y + height, x : x + width]
    else:
        canvas = cv2.resize(image, (width, height), interpolation=inter)
    if config["ColorCvtCode"] == "RGB2BGR":
        canvas = canvas[..., ::-1]
    value = canvas.astype(np.float32)
    form = config["NormaType"]
    if form.startswith("DIV255"):
        value = value / 255
    if form in ("MINUSMEAN_DIVSTD", "DIV255_MINUSMEAN_DIVSTD"):
        value = (value - np.float32(config["Mean"])) / np.float32(config["Std"])
    return value.transpose(2, 0, 1).astype(np.float16)


def by_emulator(
    data: dict[str, Any], image: NDArray[Any], told: Mapping[str, tuple[int, ...]]
) -> NDArray[np.float16]:
    """The same by the emulated card."""
    vsx.set_device(0)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    height, width = image.shape[:2]
    given = vsx.create_image(planes, vsx.ImageFormat.RGB_PLANAR, width, height, 0)
    fused = FusedOp(data["OpType"], data["OpConfig"])
    return fused.run(given, (1, 1), next(iter(told.values()), None))


def scene(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth shapes, noise, and three channels that cannot be mistaken for each other."""
    generator = np.random.default_rng(height * 1000 + width)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / 9) * 60 + 70, np.cos(columns / 7) * 60 + 120, rows + columns]
    image = np.stack(waves, axis=2) + generator.normal(0, 20, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


LETTERBOX = {"op": "resize", "mode": "letterbox", "size": [96, 96], "pad": GREY}
STRETCH = {"op": "resize", "mode": "stretch", "size": [64, 96]}
CROP = {"op": "centre_crop", "size": [56, 72]}
BY_255 = {"op": "scale", "factor": 1 / 255}
IMAGENET = {"op": "normalise", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
CAFFE = {"op": "normalise", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
VALUES: dict[str, list[dict[str, Any]]] = {
    "equal": [],
    "div255": [BY_255],
    "imagenet": [BY_255, IMAGENET],
    "caffe": [CAFFE],
}
SIZES = [(427, 640), (333, 500), (101, 57), (96, 96), (30, 41)]


def tolerance(values: str, expected: NDArray[Any]) -> float:
    """Half floats: of the result, and of mean and std before they are used."""
    half = 2.0**-11
    return (
        half * (3 if values in ("imagenet", "caffe") else 1) * float(np.abs(expected).max()) + 1e-6
    )


def specification(colour: str, spatial: list[dict[str, Any]], values: str) -> list[dict[str, Any]]:
    head = {"op": "decode", "colour": colour}
    return [head, *spatial, *VALUES[values], {"op": "to_tensor"}]


@pytest.mark.parametrize("source", SIZES, ids=str)
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize(
    "spatial", [[LETTERBOX], [STRETCH], [STRETCH, CROP]], ids=["letterbox", "stretch", "crop"]
)
def test_all_three_make_the_same_tensor(
    spatial: list[dict[str, Any]], colour: str, values: str, source: tuple[int, int]
) -> None:
    steps, image = specification(colour, spatial, values), scene(*source)
    spec = Preprocess.from_data(steps)
    expected, _ = spec.prepare(image)
    calibrated = by_process_ops(render_process_ops(steps), image)
    np.testing.assert_allclose(calibrated, expected, atol=1e-4, rtol=1e-5)
    device = by_vdsp(render_vdsp(steps, spec.size).to_data(), image, per_image(steps, source))
    assert device.dtype == np.float16
    atol = tolerance(values, expected)
    np.testing.assert_allclose(device.astype(np.float32), expected, atol=atol, rtol=2.0**-10)


@pytest.mark.parametrize("source", SIZES, ids=str)
def test_a_non_square_letterbox_on_the_device(source: tuple[int, int]) -> None:
    steps = specification("rgb", [{**LETTERBOX, "size": [64, 96]}], "div255")
    image = scene(*source)
    expected, _ = Preprocess.from_data(steps).prepare(image)
    device = by_vdsp(render_vdsp(steps, (64, 96)).to_data(), image, {})
    np.testing.assert_allclose(device.astype(np.float32), expected, atol=2.0**-11)


@pytest.mark.parametrize("source", SIZES, ids=str)
@pytest.mark.parametrize(
    "changes",
    [
        {"anchor": "top_left", "rounding": "down"},
        {"anchor": "top_left"},
        {"rounding": "down", "size": [64, 96]},
    ],
    ids=str,
)
def test_a_letterbox_that_needs_its_numbers_with_every_image(
    changes: dict[str, Any], source: tuple[int, int]
) -> None:
    steps, image = specification("bgr", [{**LETTERBOX, **changes}], "imagenet"), scene(*source)
    spec = Preprocess.from_data(steps)
    expected, _ = spec.prepare(image)
    data, told = render_vdsp(steps, spec.size).to_data(), per_image(steps, source)
    atol = tolerance("imagenet", expected)
    for device in (by_vdsp(data, image, told), by_emulator(data, image, told)):
        np.testing.assert_allclose(device.astype(np.float32), expected, atol=atol, rtol=2.0**-10)


def test_nearest_on_the_device() -> None:
    steps = specification("rgb", [{**STRETCH, "interpolation": "nearest"}], "equal")
    image = scene(101, 57)
    expected, _ = Preprocess.from_data(steps).prepare(image)
    device = by_vdsp(render_vdsp(steps, (64, 96)).to_data(), image, {})
    np.testing.assert_array_equal(device.astype(np.float32), expected)


@pytest.mark.parametrize("source", SIZES, ids=str)
def test_the_shorter_side_needs_its_numbers_with_every_image(source: tuple[int, int]) -> None:
    spatial = [
        {"op": "resize", "mode": "short_side", "size": 64},
        {"op": "centre_crop", "size": [56, 56]},
    ]
    steps, image = specification("rgb", spatial, "imagenet"), scene(*source)
    expected, _ = Preprocess.from_data(steps).prepare(image)
    data = render_vdsp(steps, (56, 56)).to_data()
    atol = tolerance("imagenet", expected)
    told = by_vdsp(data, image, per_image(steps, source)).astype(np.float32)
    np.testing.assert_allclose(told, expected, atol=atol, rtol=2.0**-10)
    squashed = by_vdsp(data, image, {}).astype(np.float32)
    stretched, _ = Preprocess.from_data(
        [steps[0], {"op": "resize", "mode": "stretch", "size": [64, 64]}, *steps[2:]]
    ).prepare(image)
    np.testing.assert_allclose(squashed, stretched, atol=atol, rtol=2.0**-10)
    same = source[0] == source[1]
    assert same == np.allclose(squashed, expected, atol=atol, rtol=2.0**-10)
    calibrated = by_process_ops(render_process_ops(steps), image)
    np.testing.assert_allclose(calibrated, stretched, atol=1e-4)
