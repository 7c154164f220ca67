"""Vdsp files are read, written and rendered; what the device cannot do is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from zoo_vastai.compile.preprocess import norm_of, per_image, render_vdsp
from zoo_vastai.formats.vdsp import parse_vdsp, read_vdsp, vdsp_text

from zoo_core.errors import DataError, RegistryError, UsageError
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from pathlib import Path

DECODE = {"op": "decode", "colour": "rgb"}
TENSOR = {"op": "to_tensor"}
BY_255 = {"op": "scale", "factor": 1 / 255}
LETTERBOX = {"op": "resize", "mode": "letterbox", "size": [320, 416], "pad": 114}
STRETCH = {"op": "resize", "mode": "stretch", "size": [320, 416]}
NORMALISE = {"op": "normalise", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

FULL = {
    "OpType": "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR",
    "OpConfig": {
        "IimageFormat": "RGB_PLANAR",
        "IimageWidth": 416,
        "IimageHeight": 416,
        "IimageWidthPitch": 416,
        "OimageWidth": 416,
        "OimageHeight": 416,
        "Mean": [0, 0.4560546875, 0.5],
        "Std": [1, 0.2239990234375, 0.5],
        "NormaType": "DIV255",
        "ColorCvtCode": "NO_CHANGE",
        "ResizeType": "BILINEAR_CV",
        "TensorType0": "FP16",
        "Padding": None,
    },
}


@pytest.mark.parametrize(
    "data",
    [
        FULL,
        {"OpType": "BERT_EMBEDDING_OP"},
        {"OpType": "BERT_EMBEDDING_OP", "OpConfig": {}, "Note": 1},
    ],
)
def test_what_is_read_comes_back_equal(data: dict[str, Any]) -> None:
    op = parse_vdsp(data)
    assert op.to_data() == data
    assert parse_vdsp(json.loads(vdsp_text(op))) == op


def test_mean_and_std_under_div255_are_kept_and_not_used() -> None:
    op = parse_vdsp(FULL)
    assert op.mean == (0, 0.4560546875, 0.5)
    assert not op.uses_mean
    changed = {**FULL["OpConfig"], "NormaType": "DIV255_MINUSMEAN_DIVSTD"}  # type: ignore[dict-item]
    assert parse_vdsp({**FULL, "OpConfig": changed}).uses_mean


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"vdsp_op_type": 301, "iimage_format": 5000}, "old form"),
        ({"vdsp_op_type": "RGB", "config": [{"Property": "x"}]}, "old form"),
        ([], "not a JSON object"),
        ({"OpConfig": {}}, "no OpType"),
        ({"OpType": "X", "OpConfig": []}, "OpConfig must be an object"),
        ({"OpType": "X", "OpConfig": {"Mean": [1, 2]}}, "Mean must be three numbers"),
        ({"OpType": "X", "OpConfig": {"IimageWidth": "416"}}, "IimageWidth must be a whole number"),
        ({"OpType": "X", "OpConfig": {"NormaType": 4}}, "NormaType must be text"),
    ],
)
def test_what_is_none_is_refused(data: Any, what: str) -> None:
    with pytest.raises(RegistryError, match=what):
        parse_vdsp(data, "vdsp.json")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "vdsp.json"
    path.write_text(json.dumps(FULL), encoding="utf-8")
    assert read_vdsp(path).to_data() == FULL
    path.write_text('{\n"OpType": }', encoding="utf-8")
    with pytest.raises(RegistryError, match=r"vdsp\.json:2: is not JSON"):
        read_vdsp(path)
    with pytest.raises(DataError):
        read_vdsp(tmp_path / "none.json")


def test_letterbox_for_a_detector() -> None:
    assert render_vdsp([DECODE, LETTERBOX, BY_255, TENSOR], (320, 416)).to_data() == {
        "OpType": "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR",
        "OpConfig": {
            "IimageFormat": "RGB_PLANAR",
            "IimageWidth": 416,
            "IimageHeight": 320,
            "OimageWidth": 416,
            "OimageHeight": 320,
            "ResizeType": "BILINEAR_CV",
            "ColorCvtCode": "NO_CHANGE",
            "NormaType": "DIV255",
            "Padding": [114, 114, 114],
            "EdgePaddingType": "CONSTANT",
        },
    }


def test_stretch_in_bgr_with_rounded_mean() -> None:
    steps = [{**DECODE, "colour": "bgr"}, STRETCH, BY_255, NORMALISE, TENSOR]
    config = render_vdsp(steps, (320, 416)).to_data()["OpConfig"]
    assert config["ColorCvtCode"] == "RGB2BGR"
    assert config["NormaType"] == "DIV255_MINUSMEAN_DIVSTD"
    assert config["Mean"] == [0.485107421875, 0.4560546875, 0.406005859375]
    assert config["Std"] == [0.22900390625, 0.2239990234375, 0.2249755859375]
    assert "Padding" not in config


def test_crop_for_a_classifier() -> None:
    crop = {"op": "centre_crop", "size": [224, 224]}
    short = {"op": "resize", "mode": "short_side", "size": 256}
    steps = [DECODE, short, crop, TENSOR]
    data = render_vdsp(steps, (224, 224)).to_data()
    assert data["OpType"] == "FUSION_OP_RGB_RESIZE_CVTCOLOR_CROP_NORM_TENSOR"
    wanted = {"ResizeWidth": 256, "ResizeHeight": 256, "CropX": 16, "CropY": 16}
    assert wanted.items() <= data["OpConfig"].items()
    assert data["OpConfig"]["NormaType"] == "EQUAL"
    assert per_image(steps, (333, 500)) == {"crop_resize_ext": (80, 16, 384, 256)}
    assert per_image([DECODE, STRETCH, TENSOR], (333, 500)) == {}


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({"anchor": "top_left", "rounding": "down"}, (416, 277, 0, 43, 0, 0)),
        ({"rounding": "down"}, (416, 277, 21, 22, 0, 0)),
        ({"anchor": "top_left"}, (416, 277, 0, 43, 0, 0)),
    ],
)
def test_a_letterbox_of_another_place_gets_its_numbers_with_every_image(
    changes: dict[str, Any], numbers: tuple[int, ...]
) -> None:
    steps = [DECODE, {**LETTERBOX, **changes}, BY_255, TENSOR]
    data = render_vdsp(steps, (320, 416)).to_data()
    assert data["OpType"] == "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR_EXT"
    placeholders = {"ResizeWidth": 416, "ResizeHeight": 320, "PaddingTop": 0, "PaddingRight": 0}
    assert placeholders.items() <= data["OpConfig"].items()
    assert data["OpConfig"]["Padding"] == [114, 114, 114]
    assert per_image(steps, (333, 500)) == {"rgb_letterbox_ext": numbers}
    assert per_image([DECODE, LETTERBOX, TENSOR], (333, 500)) == {}


@pytest.mark.parametrize(
    ("resize", "what", "choice"),
    [
        ({**STRETCH, "interpolation": "bilinear_align_corners"}, "corners", "bilinear"),
        ({**STRETCH, "interpolation": "area"}, "area", "bilinear"),
        ({**LETTERBOX, "pad": 127.5}, "pad with 127.5", "114"),
    ],
)
def test_what_the_device_cannot_do_says_what_to_choose(
    resize: dict[str, Any], what: str, choice: str
) -> None:
    with pytest.raises(UsageError, match=what) as raised:
        render_vdsp([DECODE, resize, TENSOR], (320, 416))
    assert choice in raised.value.next
    assert raised.value.where == "preprocess: resize"


def test_grey_images_are_refused() -> None:
    with pytest.raises(UsageError, match="make RGB images") as raised:
        render_vdsp([{**DECODE, "colour": "grey"}, STRETCH, TENSOR], (320, 416))
    assert "--backend" in raised.value.next


def test_a_size_that_is_not_the_networks_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the network takes \[416, 320\]"):
        render_vdsp([DECODE, STRETCH, TENSOR], (416, 320))


@pytest.mark.parametrize(
    "values",
    [
        [],
        [BY_255],
        [NORMALISE],
        [BY_255, NORMALISE],
        [{"op": "scale", "factor": 1 / 127.5}, {**NORMALISE, "mean": [1, 1, 1], "std": [1, 1, 1]}],
        [NORMALISE, {"op": "scale", "factor": 2.0}, NORMALISE],
        [BY_255, {"op": "scale", "factor": 0.5}, NORMALISE, {"op": "scale", "factor": 4.0}],
    ],
)
def test_any_steps_fold_into_one_form(values: list[dict[str, Any]]) -> None:
    spec = Preprocess.from_data([DECODE, {**STRETCH, "size": [4, 64]}, *values, TENSOR])
    image = np.arange(256, dtype=np.uint8).reshape(4, 64, 1).repeat(3, axis=2)
    expected, _ = spec.prepare(image)
    norm = norm_of(spec.steps)
    pixels = image.transpose(2, 0, 1).astype(np.float64)
    if norm.form.startswith("DIV255"):
        pixels = pixels / 255
    if norm.mean is not None and norm.std is not None:
        pixels = (pixels - np.reshape(norm.mean, (3, 1, 1))) / np.reshape(norm.std, (3, 1, 1))
    np.testing.assert_allclose(pixels, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("std", [1e-6, 1e6, -1.0])
def test_what_no_half_float_holds_is_refused(std: float) -> None:
    normalise = {"op": "normalise", "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, std]}
    with pytest.raises(UsageError, match="cannot hold"):
        render_vdsp([DECODE, STRETCH, normalise, TENSOR], (320, 416))
