from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from zoo_core.errors import DataError, UsageError
from zoo_core.vision import (
    CentreCrop,
    Decode,
    Normalise,
    Preprocess,
    Resize,
    Scale,
    Step,
    ToTensor,
    read_rgb,
)
from zoo_core.vision.resample import align_corners

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPENCV = {
    "bilinear": cv2.INTER_LINEAR,
    "nearest": cv2.INTER_NEAREST,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}
IMAGENET = Normalise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIZES = [(480, 640), (427, 640), (640, 425), (33, 500), (500, 3), (1, 1), (416, 416), (2, 1)]


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plain_align_corners(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """Darknet's resize, number by number in float32."""
    f32 = np.float32
    old_h, old_w = image.shape[:2]
    part = np.zeros((old_h, width, 3), np.float32)
    for r in range(old_h):
        for c in range(width):
            if c == width - 1 or old_w == 1:
                part[r, c] = image[r, old_w - 1]
                continue
            at = f32(c) * (f32(old_w - 1) / f32(width - 1))
            x = int(at)
            d = f32(at - f32(x))
            for k in range(3):
                left, right = f32(image[r, x, k]), f32(image[r, x + 1, k])
                part[r, c, k] = f32(f32(f32(1) - d) * left) + f32(d * right)
    out = np.zeros((height, width, 3), np.float32)
    for r in range(height):
        at = f32(r) * (f32(old_h - 1) / f32(height - 1))
        y = int(at)
        d = f32(at - f32(y))
        for c in range(width):
            for k in range(3):
                out[r, c, k] = f32(f32(1) - d) * part[y, c, k]
                if r < height - 1 and old_h > 1:
                    out[r, c, k] += d * part[y + 1, c, k]
    return out


def plain_values(pixels: NDArray[Any], steps: tuple[Step, ...]) -> NDArray[np.float32]:
    values = pixels.astype(np.float64)
    for step in steps:
        if isinstance(step, Scale):
            values = values * step.factor
        elif isinstance(step, Normalise):
            values = (values - np.array(step.mean)) / np.array(step.std)
    return values.astype(np.float32)


def plain(image: NDArray[np.uint8], specification: Preprocess) -> NDArray[np.float32]:
    """The reference: resize, paste on a canvas in float, then every pixel through the steps."""
    decode, resize = specification.steps[:2]
    assert isinstance(decode, Decode)
    assert isinstance(resize, Resize)
    assert isinstance(resize.size, tuple)
    height, width = resize.size
    if resize.mode == "letterbox":
        ratio = min(height / image.shape[0], width / image.shape[1])
        height, width = (max(1, round(side * ratio)) for side in image.shape[:2])
    if resize.interpolation == "bilinear_align_corners":
        small: NDArray[Any] = align_corners(image, (height, width))
    else:
        small = cv2.resize(image, (width, height), interpolation=OPENCV[resize.interpolation])
    canvas = np.full((*resize.size, 3), resize.pad, np.float64)
    centred = resize.anchor == "centre"
    top = (resize.size[0] - height) // 2 if centred else 0
    left = (resize.size[1] - width) // 2 if centred else 0
    canvas[top : top + height, left : left + width] = small
    canvas = canvas[:, :, ::-1] if decode.colour == "bgr" else canvas
    return plain_values(canvas, specification.steps).transpose(2, 0, 1)


def specification(resize: Resize, *values: Step, colour: Any = "rgb") -> Preprocess:
    return Preprocess((Decode(colour), resize, *(values or (Scale(1 / 255),)), ToTensor()))


@pytest.mark.parametrize("interpolation", [*OPENCV, "bilinear_align_corners"])
@pytest.mark.parametrize(
    "box",
    [("stretch", 127.5, "centre"), ("letterbox", 127.5, "centre"), ("letterbox", 114, "top_left")],
)
def test_bit_equal_to_the_plain_reference(box: Any, interpolation: Any) -> None:
    mode, pad, anchor = box
    for number, (height, width) in enumerate(SIZES):
        image = photo(height, width, number)
        for size in ((416, 416), (96, 160)):
            steps = specification(Resize(mode, size, interpolation, pad, anchor))
            tensor, geometry = steps.prepare(image)
            assert tensor.dtype == np.float32
            assert tensor.flags.c_contiguous
            assert (tensor == plain(image, steps)).all()
            assert (geometry.source, geometry.network) == ((height, width), size)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize(
    "values",
    [
        (Scale(1 / 255), IMAGENET),
        (Normalise((123.7, 116.3, 103.5), (58.4, 57.1, 57.4)),),
        (Scale(2 / 255), Normalise((1, 1, 1), (1, 2, 3)), Scale(-3.5)),
    ],
)
def test_values_and_channel_order_are_bit_equal(values: tuple[Step, ...], colour: Any) -> None:
    image = photo(50, 70)
    for resize in (
        Resize("letterbox", (64, 64), pad=114),
        Resize("stretch", (64, 96), "bilinear_align_corners"),
    ):
        steps = specification(resize, *values, colour=colour)
        assert (steps.prepare(image)[0] == plain(image, steps)).all()


@pytest.mark.parametrize("mode", ["stretch", "letterbox", "short_side"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bilinear_align_corners"])
def test_grey_is_one_channel_made_before_the_resize(mode: Any, interpolation: Any) -> None:
    crop = (CentreCrop((40, 40)),) if mode == "short_side" else ()
    resize = Resize(mode, 48 if crop else (48, 64), interpolation)
    rest = (resize, *crop, Scale(1 / 255), Normalise((0.4, 0.4, 0.4), (0.2, 0.2, 0.2)), ToTensor())
    image = photo(57, 83)
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    exact = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma - exact).max() < 0.51
    found, geometry = Preprocess((Decode("grey"), *rest)).prepare(image)
    plain, same = Preprocess((Decode(), *rest)).prepare(np.repeat(luma[:, :, None], 3, axis=2))
    assert (found.dtype, found.shape, geometry) == (np.float32, (1, *plain.shape[1:]), same)
    np.testing.assert_array_equal(found[0], plain[0])


def test_grey_takes_one_mean_and_comes_and_goes() -> None:
    steps = (Resize("stretch", (8, 8)), ToTensor())
    with pytest.raises(UsageError, match="one channel"):
        Preprocess((Decode("grey"), steps[0], IMAGENET, steps[1]))
    bgr = Preprocess((Decode("bgr"), *steps))
    grey = bgr.with_channels(1)
    assert (bgr.channels, grey.channels) == (3, 1)
    assert bgr.with_channels(3) == bgr
    assert grey.with_channels(3) == Preprocess((Decode("rgb"), *steps))


def test_scale_by_255_equals_the_original_s_division() -> None:
    image = np.arange(256 * 3, dtype=np.uint32).reshape(16, 16, 3).astype(np.uint8)
    tensor, _ = specification(Resize("stretch", (16, 16)), Scale(0.00392156862745098)).prepare(
        image
    )
    assert (tensor == image.transpose(2, 0, 1).astype(np.float32) / np.float32(255)).all()


@pytest.mark.parametrize(
    ("old", "new"),
    [((7, 9), (5, 4)), ((5, 4), (13, 11)), ((1, 6), (4, 4)), ((6, 1), (4, 5)), ((8, 8), (8, 8)),
     ((8, 8), (8, 3)), ((1, 1), (3, 2)), ((333, 4), (320, 2)), ((9, 9), (4, 1))],
)  # fmt: skip
def test_align_corners_is_darknet_s(old: tuple[int, int], new: tuple[int, int]) -> None:
    image = photo(*old, seed=old[0])
    found = align_corners(image, new)
    wanted = image.astype(np.float32) if old == new else plain_align_corners(image, *new)
    assert found.dtype == np.float32
    assert (found == wanted).all()


def test_align_corners_keeps_darknet_s_dark_last_row() -> None:
    """333 rows to 320: the last position rounds to just below row 332."""
    white = np.full((333, 4, 3), 255, np.uint8)
    assert align_corners(white, (320, 4))[-1].max() < 1
    assert align_corners(white, (319, 4)).min() > 254


def test_letterbox_geometry() -> None:
    image = photo(480, 640)
    steps = specification(Resize("letterbox", (416, 416)))
    _, geometry = steps.prepare(image)
    assert geometry.scale == (416 / 640, 312 / 480)
    assert geometry.offset == (0.0, 52.0)
    _, odd = steps.prepare(photo(333, 500))
    assert odd.scale == (416 / 500, 277 / 333)
    assert odd.offset == (0.0, 69.0)
    _, corner = specification(Resize("letterbox", (416, 416), anchor="top_left")).prepare(image)
    assert corner.offset == (0.0, 0.0)


def test_rounding_down_is_darknet_s_whole_number_division() -> None:
    steps = specification(Resize("letterbox", (416, 320), rounding="down"))
    for height, width in [*SIZES, (333, 500), (500, 333), (1000, 3), (3, 1000)]:
        image = photo(height, width)
        if 320 / width < 416 / height:
            new = (height * 320) // width, 320
        else:
            new = 416, (width * 416) // height
        new = max(new[0], 1), max(new[1], 1)
        tensor, geometry = steps.prepare(image)
        assert geometry.scale == (new[1] / width, new[0] / height)
        top, left = (416 - new[0]) // 2, (320 - new[1]) // 2
        assert geometry.offset == (left, top)
        small = cv2.resize(image, new[::-1], interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
        wanted = (small / 255).astype(np.float32)
        assert (tensor[:, top : top + new[0], left : left + new[1]] == wanted).all()


def test_the_geometry_says_where_a_pixel_really_is() -> None:
    """A white patch is found where to_network puts it, for every mode."""
    image = np.zeros((300, 500, 3), np.uint8)
    image[100:140, 200:300] = 255
    crop = (Decode(), Resize("short_side", 200), CentreCrop((160, 192)), ToTensor())
    for steps in (
        specification(Resize("stretch", (416, 320))),
        specification(Resize("letterbox", (416, 320))),
        specification(Resize("letterbox", (320, 416), anchor="top_left", pad=0)),
        Preprocess(crop),
    ):
        tensor, geometry = steps.prepare(image)
        bright = tensor[0] > tensor[0].max() * 0.6
        rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
        found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        wanted = geometry.to_network(np.array([[200, 100, 300, 140]]))[0]
        assert np.abs(wanted - found).max() <= 1


def test_short_side_and_crop() -> None:
    steps = Preprocess((Decode(), Resize("short_side", 256), CentreCrop((224, 224)), ToTensor()))
    for height, width in ((300, 451), (451, 300), (256, 256), (20, 31)):
        image = photo(height, width)
        tensor, geometry = steps.prepare(image)
        long = int(256 * max(height, width) / min(height, width))
        new = (256, long) if height <= width else (long, 256)
        top, left = (round((side - 224) / 2) for side in new)
        small = cv2.resize(image, new[::-1], interpolation=cv2.INTER_LINEAR)
        assert (tensor == small[top : top + 224, left : left + 224].transpose(2, 0, 1)).all()
        assert geometry.offset == (-left, -top)
        assert geometry.scale == (new[1] / width, new[0] / height)


@pytest.mark.parametrize("interpolation", [*OPENCV, "bilinear_align_corners"])
@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_extreme_images_need_little_memory(mode: Any, interpolation: Any) -> None:
    steps = specification(Resize(mode, (416, 416), interpolation))
    for height, width in ((1, 1), (1, 30_000), (30_000, 1), (3648, 5472)):
        image = np.full((height, width, 3), 51, np.uint8)
        tracemalloc.start()
        tensor, geometry = steps.prepare(image)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert tensor.shape == (3, 416, 416)
        assert geometry.source == (height, width)
        assert peak < 60e6
        assert 0.19 < float(np.median(tensor)) < 0.51


def test_short_side_refuses_what_would_explode() -> None:
    steps = Preprocess((Decode(), Resize("short_side", 256), CentreCrop((224, 224)), ToTensor()))
    with pytest.raises(DataError, match="30000x1 is too narrow"):
        steps.prepare(photo(1, 30_000))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(image: NDArray[Any]) -> None:
    with pytest.raises(DataError, match="not an RGB image"):
        specification(Resize("stretch", (32, 32))).prepare(image)


def test_the_image_is_left_alone_and_may_be_a_view() -> None:
    image = photo(40, 60)
    view = image[::2, 5:50]
    before = view.copy()
    steps = specification(Resize("letterbox", (32, 32)), colour="bgr")
    assert (steps.prepare(view)[0] == plain(before, steps)).all()
    assert (view == before).all()
    same = specification(Resize("stretch", (40, 60)))
    tensor, _ = same.prepare(image)
    tensor[:] = 0
    assert image.any()


def test_letterbox_costs_little_processor_time() -> None:
    """The goal on a quiet machine is .6 ms; the bound leaves room for a loaded one."""
    image, steps = photo(480, 640), specification(Resize("letterbox", (416, 416)))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        spent = []
        for _ in range(30):
            start = time.thread_time()
            steps.prepare(image)
            spent.append(time.thread_time() - start)
    finally:
        cv2.setNumThreads(threads)
    assert min(spent) < 0.0025


@pytest.mark.skipif("ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is not set")
def test_a_real_photo() -> None:
    image = read_rgb(Path(os.environ["ZOO_TEST_DATA"]) / "photos" / "dog.jpg", expect=(576, 768))
    for resize in (
        Resize("letterbox", (416, 416)),
        Resize("stretch", (320, 320), "bilinear_align_corners"),
    ):
        steps = specification(resize)
        tensor, geometry = steps.prepare(image)
        assert (tensor == plain(image, steps)).all()
        dog = geometry.to_image(geometry.to_network(np.array([[114, 188, 386, 536]])))
        np.testing.assert_allclose(dog, [[114, 188, 386, 536]], atol=1e-3)
