"""What the emulated card does to an image before the network, and to its outputs after it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from zoo_vastai_emulator.site import vaststreamx as vsx
from zoo_vastai_emulator.site.vaststreamx.nms import CANDIDATES, ROWS, detect
from zoo_vastai_emulator.site.vaststreamx.resample import resize

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LETTERBOX = "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR"
RESIZE_CROP = "FUSION_OP_RGB_RESIZE_CVTCOLOR_CROP_NORM_TENSOR"
RESIZE = "FUSION_OP_RGB_RESIZE_CVTCOLOR_NORM_TENSOR"
MEAN = {"Mean": [0.485, 0.456, 0.406], "Std": [0.229, 0.224, 0.225]}


@pytest.fixture(autouse=True)
def device() -> None:
    assert vsx.set_device(0) == 0


def planes(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height).integers(0, 256, (3, height, width), np.uint8)


def ran(
    folder: Path, op: str, pixels: NDArray[np.uint8], size: tuple[int, int], *per: Any, **more: Any
) -> NDArray[np.float32]:
    config = {"IimageFormat": "RGB_PLANAR", "NormaType": "EQUAL", **more}
    path = folder / "vdsp.json"
    path.write_text(json.dumps({"OpType": op, "OpConfig": config}), encoding="utf-8")
    (operator,) = vsx.Operator.load_ops_from_json_file(str(path))
    kind = vsx.ImageFormat.RGB_PLANAR
    given = vsx.create_image(pixels, kind, pixels.shape[2], pixels.shape[1], 0)
    out = operator.fused.run(given, size, *per)
    assert out.dtype == np.float16
    assert out.shape == (3, *size)
    return out.astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(427, 640), (640, 427), (37, 41), (64, 64)])
def test_letterbox_is_centred_on_114(tmp_path: Path, height: int, width: int) -> None:
    pixels = planes(height, width)
    out = ran(tmp_path, LETTERBOX, pixels, (64, 96))

    ratio = min(64 / height, 96 / width)
    rows, columns = round(height * ratio), round(width * ratio)
    top, left = (64 - rows) // 2, (96 - columns) // 2
    inner = cv2.resize(np.ascontiguousarray(pixels.transpose(1, 2, 0)), (columns, rows))
    wanted = np.full((64, 96, 3), 114, np.float32)
    wanted[top : top + rows, left : left + columns] = inner
    assert np.array_equal(out, wanted.transpose(2, 0, 1))


def test_padding_may_be_stated(tmp_path: Path) -> None:
    out = ran(tmp_path, LETTERBOX, planes(8, 32), (32, 32), Padding=[1, 2, 3])
    assert out[:, 0, 0].tolist() == [1, 2, 3]


def test_a_letterbox_given_with_the_image(tmp_path: Path) -> None:
    op = f"{LETTERBOX}_EXT"
    out = ran(tmp_path, op, planes(10, 20), (16, 48), (32, 16, 0, 0, 0, 16), Padding=[0, 0, 0])
    inner = cv2.resize(np.ascontiguousarray(planes(10, 20).transpose(1, 2, 0)), (32, 16))
    assert np.array_equal(out[:, :, :32], inner.transpose(2, 0, 1))
    assert not out[:, :, 32:].any()


@pytest.mark.parametrize(
    ("per", "told"),
    [
        ((), "needs rgb_letterbox_ext"),
        (((32, 16, 0, 0, 0, 0),), "does not make"),
        (((32, 12, 0, 0, 0, 16),), "does not make"),
    ],
)
def test_numbers_that_do_not_make_the_output_are_refused(
    tmp_path: Path, per: Any, told: str
) -> None:
    with pytest.raises(RuntimeError, match=told):
        ran(tmp_path, f"{LETTERBOX}_EXT", planes(10, 20), (16, 48), *per)


def test_resize_then_crop(tmp_path: Path) -> None:
    crop = {"ResizeWidth": 40, "ResizeHeight": 36, "CropX": 5, "CropY": 3}
    out = ran(tmp_path, RESIZE_CROP, planes(50, 60), (30, 30), **crop)
    whole = cv2.resize(np.ascontiguousarray(planes(50, 60).transpose(1, 2, 0)), (40, 36))
    assert np.array_equal(out, whole[3:33, 5:35].transpose(2, 0, 1))
    moved = ran(tmp_path, RESIZE_CROP, planes(50, 60), (30, 30), (1, 2, 40, 36), **crop)
    assert np.array_equal(moved, whole[2:32, 1:31].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("EQUAL", lambda x, mean, std: x),
        ("DIV255", lambda x, mean, std: x / 255),
        ("DIV1275_MINUSONE", lambda x, mean, std: x / 127.5 - 1),
        ("MINUSMEAN_DIVSTD", lambda x, mean, std: (x - mean) / std),
        ("DIV255_MINUSMEAN_DIVSTD", lambda x, mean, std: (x / 255 - mean) / std),
    ],
)
def test_normalisation_uses_mean_and_std_only_where_its_name_says_so(
    tmp_path: Path, norm: str, expected: Any
) -> None:
    pixels = planes(8, 8)
    out = ran(tmp_path, RESIZE, pixels, (8, 8), NormaType=norm, **MEAN)
    mean, std = (np.reshape(MEAN[key], (3, 1, 1)) for key in ("Mean", "Std"))
    np.testing.assert_allclose(out, expected(pixels.astype(float), mean, std), rtol=6e-4, atol=6e-4)


def test_channels_are_swapped_before_mean_and_std(tmp_path: Path) -> None:
    pixels = planes(8, 8)
    options = {"NormaType": "MINUSMEAN_DIVSTD", "Mean": [100, 50, 0], "Std": [1, 2, 4]}
    out = ran(tmp_path, RESIZE, pixels, (8, 8), ColorCvtCode="RGB2BGR", **options)
    blue, red = pixels[2].astype(float), pixels[0].astype(float)
    assert np.array_equal(out[0], blue - 100)
    assert np.array_equal(out[2], red / 4)


def test_the_output_is_the_models_size(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="makes"):
        ran(tmp_path, RESIZE, planes(8, 8), (8, 8), ResizeWidth=4, ResizeHeight=4)


@pytest.mark.parametrize(
    "legacy",
    [
        {"vdsp_op_type": 301, "iimage_format": 5000},
        {"vdsp_op_type": "x", "config": [{"Property": "a", "Value": 1}]},
        [],
    ],
)
def test_legacy_files_hold_no_operator(tmp_path: Path, legacy: Any) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(legacy), encoding="utf-8")
    assert vsx.Operator.load_ops_from_json_file(str(path)) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"OpType": "BERT_EMBEDDING_OP"}, "BERT_EMBEDDING_OP is not emulated"),
        ({"OpType": RESIZE, "OpConfig": {"NormaType": "DIV256"}}, "'DIV256' is unknown"),
        ({"OpType": RESIZE, "OpConfig": {"IimageFormat": "YUV_NV12"}}, "IimageFormat 'YUV_NV12'"),
        ({"OpType": RESIZE, "OpConfig": {"NormaType": "MINUSMEAN_DIVSTD"}}, "without Mean and Std"),
    ],
)
def test_what_is_not_emulated_is_said(tmp_path: Path, data: Any, message: str) -> None:
    path = tmp_path / "op.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RuntimeError, match=message):
        vsx.Operator.load_ops_from_json_file(str(path))


def test_an_operator_tells_its_type_and_attributes(tmp_path: Path) -> None:
    ran(tmp_path, LETTERBOX, planes(4, 4), (8, 8), ResizeType="BILINEAR_CV")
    (operator,) = vsx.Operator.load_ops_from_json_file(str(tmp_path / "vdsp.json"))
    assert operator.op_type >= 100
    assert operator.attributes["ResizeType"] == "BILINEAR_CV"


@pytest.mark.parametrize("kind", ["BILINEAR_PILLOW", "BICUBIC_PILLOW"])
def test_the_smoothing_resamplers_keep_means_and_gradients(kind: str) -> None:
    ramp = np.tile(np.linspace(0, 240, 241).astype(np.uint8)[None, :, None], (9, 1, 3))
    small = resize(ramp, 3, 61, kind).astype(float)
    steps = np.diff(small[1, 2:-2, 0])
    assert small.shape == (3, 61, 3)
    assert np.abs(steps - 241 / 61).max() <= 1
    stripes = np.zeros((8, 80, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resize(stripes, 8, 20, kind).astype(float)[:, 2:-2] - 100).max() <= 1
    assert resize(stripes, 8, 20, "BILINEAR_CV").std() == 0
    with pytest.raises(ValueError, match="no resampler"):
        resize(stripes, 4, 4, "LANCZOS")


ANCHORS = [10, 14, 23, 27, 37, 58, 81, 82]


def operator(kind: str = "yolov4_nms", conf: float = 0.1, iou: float = 0.5) -> dict[str, Any]:
    params = {
        "num_classes": 3,
        "confidence_threshold": conf,
        "nms_threshold": iou,
        "anchor": ANCHORS,
        "strides": [8, 16],
    }
    return {"type": kind, "params": params}


def heads(seed: int = 3, spread: float = 1.5) -> list[NDArray[np.float32]]:
    """Heads of an input of 32 x 64 pixels, two anchors a stride, three classes."""
    random = np.random.default_rng(seed)
    return [random.normal(0, spread, (1, 16, 32 // s, 64 // s)).astype("f") for s in (8, 16)]


def one(box: tuple[float, ...], other: tuple[float, ...]) -> float:
    """IoU of two boxes, the plain way."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return common / (sum(areas) - common)


def decoded(outputs: list[NDArray[np.float32]], kind: str) -> list[tuple[float, int, Any]]:
    """(score, label, box) of each cell, anchor and label, in loops."""
    found = []
    for index, (stride, head) in enumerate(zip((8, 16), outputs, strict=True)):
        values = head[0].astype(float)
        for anchor in range(2):
            wide, high = ANCHORS[4 * index + 2 * anchor : 4 * index + 2 * anchor + 2]
            for row in range(values.shape[1]):
                for column in range(values.shape[2]):
                    v = values[8 * anchor : 8 * anchor + 8, row, column]
                    s = 1 / (1 + np.exp(-v))
                    if kind == "yolov4_nms":
                        x, y = (s[0] + column) * stride, (s[1] + row) * stride
                        w, h = np.exp(v[2]) * wide, np.exp(v[3]) * high
                    else:
                        x, y = (2 * s[0] - 0.5 + column) * stride, (2 * s[1] - 0.5 + row) * stride
                        w, h = (2 * s[2]) ** 2 * wide, (2 * s[3]) ** 2 * high
                    box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
                    found += [(s[4] * s[5 + label], label, box) for label in range(3)]
    return found


@pytest.mark.parametrize("kind", ["yolov4_nms", "yolov5_nms"])
def test_detections_are_those_of_plain_loops(kind: str) -> None:
    ids, scores, boxes = detect(operator(kind), heads(), (32, 64))
    wanted: list[tuple[float, int, Any]] = []
    for item in sorted(decoded(heads(), kind), key=lambda item: -item[0]):
        if item[0] > 0.1 and all(k[1] != item[1] or one(k[2], item[2]) <= 0.5 for k in wanted):
            wanted.append(item)

    count = len(wanted)
    assert 20 < count < ROWS
    assert (ids.shape, scores.shape, boxes.shape) == ((1, ROWS, 1), (1, ROWS, 1), (1, ROWS, 4))
    assert ids[0, :count, 0].tolist() == [item[1] for item in wanted]
    np.testing.assert_allclose(scores[0, :count, 0], [item[0] for item in wanted], rtol=1e-5)
    np.testing.assert_allclose(boxes[0, :count], [item[2] for item in wanted], atol=1e-3)
    for part in (ids, scores, boxes):
        assert (part[0, count:] == -1).all()


def test_the_heads_may_come_in_any_order() -> None:
    first, second = (detect(operator(), order, (32, 64)) for order in (heads(), heads()[::-1]))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_box_may_have_several_labels() -> None:
    quiet = [np.full_like(head, -20) for head in heads()]
    quiet[0][0, [0, 1, 2, 3], 1, 2] = 0
    quiet[0][0, [4, 5, 7], 1, 2] = [4, 3, 1]
    ids, scores, boxes = detect(operator(), quiet, (32, 64))
    assert ids[0, :3, 0].tolist() == [0, 2, -1]
    assert scores[0, 0, 0] > scores[0, 1, 0] > 0.6
    assert boxes[0, 0].tolist() == boxes[0, 1].tolist() == [15, 5, 25, 19]


def test_nothing_found_is_all_minus_one() -> None:
    for part in detect(operator(), [np.full_like(head, -9) for head in heads()], (32, 64)):
        assert (part == -1).all()


def test_an_end_to_end_export_gives_the_same() -> None:
    all_of_it = decoded(heads(), "yolov4_nms")
    boxes = np.array([item[2] for item in all_of_it[::3]]) / [64, 32, 64, 32]
    scores = np.array([item[0] for item in all_of_it]).reshape(-1, 3)
    ready = [boxes[None, :, None].astype("f"), scores[None].astype("f")]
    found, wanted = detect(operator(), ready, (32, 64)), detect(operator(), heads(), (32, 64))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_rows_of_centre_and_size_are_yolov5s_other_form() -> None:
    rows = np.array([[20, 10, 8, 6, 0.9, 0.9, 0.1, 0.5], [1, 1, 1, 1, 0.05, 1, 1, 1]], np.float32)
    ids, scores, boxes = detect(operator("yolov5_nms"), [rows[None], *heads()], (32, 64))
    assert ids[0, :3, 0].tolist() == [0, 2, -1]
    assert scores[0, :2, 0].tolist() == pytest.approx([0.81, 0.45])
    assert boxes[0, 0].tolist() == [16, 7, 24, 13]


def test_noise_ends_with_full_rows() -> None:
    random = np.random.default_rng(0)
    noise = [random.normal(0, 1, (1, 16, 2048 // s, 512 // s)).astype("f") for s in (8, 16)]
    assert sum(head.size for head in noise) // 8 * 3 > CANDIDATES
    ids, scores, _ = detect(operator(conf=0.001, iou=0.65), noise, (2048, 512))
    assert (ids[0, :, 0] >= 0).all()
    assert (np.diff(scores[0, :, 0]) <= 0).all()


def test_of_equal_scores_the_earlier_ones_are_kept() -> None:
    """All cells score alike and none overlap: the first ones fill the rows, label after label."""
    alike = [np.zeros((1, 16, 1024 // s, 1024 // s), "f") for s in (8, 16)]
    alike[0][0, [2, 3, 10, 11]] = np.log([0.4, 0.3, 0.2, 0.1])[:, None, None]
    assert sum(head.size for head in alike) // 8 * 3 > CANDIDATES
    ids, _, boxes = detect(operator(conf=0.1, iou=0.6), alike, (1024, 1024))
    cell = np.arange(ROWS) // 3
    assert ids[0, :, 0].tolist() == (np.arange(ROWS) % 3).tolist()
    np.testing.assert_allclose(boxes[0, :, 0], 2 + 8 * (cell % 128), atol=1e-3)
    np.testing.assert_allclose(boxes[0, :, 1], 1.9 + 8 * (cell // 128), atol=1e-3)


def test_heads_that_are_not_what_the_operator_says() -> None:
    with pytest.raises(RuntimeError, match="fits none of the strides"):
        detect(operator(), heads(), (64, 64))
    wrong = operator()
    wrong["params"]["num_classes"] = 80
    with pytest.raises(RuntimeError, match="num_classes is 80, the graph's output has 3"):
        detect(wrong, heads(), (32, 64))
