"""What is asked of vamc for a build, and that builds which differ have names that differ."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import yaml
from zoo_vastai.compile.config import Build, CalibrationImages, build_name, render_config
from zoo_vastai.compile.preprocess import render_process_ops
from zoo_vastai.formats.config import config_text, parse_config

from zoo_core.errors import UsageError

DECODE = {"op": "decode", "colour": "rgb"}
TENSOR = {"op": "to_tensor"}
BY_255 = {"op": "scale", "factor": 1 / 255}
LETTERBOX = {"op": "resize", "mode": "letterbox", "size": [416, 416], "pad": 114}
STRETCH = {"op": "resize", "mode": "stretch", "size": [320, 416]}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
NMS = {"type": "yolov4_nms", "params": {"num_classes": 80, "nms_threshold": 0.65}}
IMAGES = CalibrationImages(path="/images", suffix="jpg", count=50, mode="kl_divergence")

EXPECTED = """
name: someone_yolov4_int8
frontend:
  checkpoint: /there/yolov4.onnx
  shape: {input: [1, 3, 416, 416]}
  type: onnx
  dtype: fp32
graph:
  extra_ops: {type: yolov4_nms, params: {num_classes: 80, nms_threshold: 0.65}}
dataset:
  type: tvm
  path: /images
  sampler: {suffix: jpg, get_data_num: 50}
  process_ops:
    - type: DecodeImage
    - {type: Resize, size: [416, -1], adaptive_side: long}
    - {type: Pad, pad_to_square: true}
    - {type: Normalize, div255: true, norm_type: null}
    - type: ToTensor
backend:
  type: tvm_vacc
  dtype: int8
  quantize: {calibrate_mode: kl_divergence, quantize_per_channel: true, skip_matmul_layers: [0]}
  compile: {cluster_mode: 0, data_transport_mode: 3}
workspace: {path: ./deploy_weights/}
"""


def build(**changes: Any) -> Build:
    values: dict[str, Any] = {
        "name": "someone_yolov4_int8",
        "checkpoint": "/there/yolov4.onnx",
        "inputs": {"input": [1, 3, 416, 416]},
        "dtype": "int8",
        "preprocess": [DECODE, LETTERBOX, BY_255, TENSOR],
        "size": (416, 416),
        "workspace": "./deploy_weights/",
        "calibration": IMAGES,
        "extra_ops": NMS,
        "compile": {"data_transport_mode": 3, "cluster_mode": 0},
        "quantize": {"skip_matmul_layers": [0]},
    }
    return Build(**{**values, **changes})


def test_int8_with_letterbox_is_the_vendors_recipe() -> None:
    assert render_config(build()).to_data() == yaml.safe_load(EXPECTED)


def test_fp16_has_neither_dataset_nor_quantize() -> None:
    expected = yaml.safe_load(EXPECTED)
    del expected["dataset"], expected["backend"]["quantize"]
    expected["backend"]["dtype"] = "fp16"
    assert render_config(build(dtype="fp16", calibration=None)).to_data() == expected


def test_a_rendered_file_is_read_back_as_it_was() -> None:
    config = render_config(build())
    assert parse_config(yaml.safe_load(config_text(config))) == config


def test_long_and_foreign_paths_stay_on_one_line() -> None:
    path = "/the folder of/" + "many words " * 20 + "/图像.onnx"
    text = config_text(render_config(build(checkpoint=path)))
    assert f"  checkpoint: {path}\n" in text


def test_tensors_need_no_operations() -> None:
    images = CalibrationImages(path="/t", suffix="npz", count=5, mode="max", per_channel=False)
    config = render_config(build(calibration=images))
    assert config.dataset is not None
    assert config.dataset.process_ops is None
    assert config.backend.quantize is not None
    assert config.backend.quantize["quantize_per_channel"] is False


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"dtype": "fp32"}, "no dtype 'fp32'"),
        ({"calibration": None}, "int8 needs calibration images"),
        ({"inputs": {}}, "names and shapes"),
        ({"name": "a/b"}, "cannot name a folder"),
        ({"name": ".."}, "cannot name a folder"),
        ({"size": (608, 608)}, r"gives \[416, 416\], the network takes \[608, 608\]"),
        (
            {"calibration": CalibrationImages(path="x", suffix="jpg", count=1, mode="entropy")},
            "no calibrate_mode 'entropy'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        render_config(build(**changes))


@pytest.mark.parametrize(
    ("steps", "operations"),
    [
        (
            [DECODE, STRETCH, TENSOR],
            [
                {"type": "Resize", "size": [320, 416]},
                {"type": "Normalize", "div255": False, "norm_type": None},
            ],
        ),
        (
            [{**DECODE, "colour": "bgr"}, STRETCH, BY_255, TENSOR],
            [
                {"type": "CvtColor", "code": "COLOR_RGB2BGR"},
                {"type": "Resize", "size": [320, 416]},
                {"type": "Normalize", "div255": True, "norm_type": None},
            ],
        ),
        (
            [DECODE, STRETCH, BY_255, {"op": "normalise", "mean": MEAN, "std": STD}, TENSOR],
            [
                {"type": "Resize", "size": [320, 416]},
                {"type": "Normalize", "div255": True, "mean": MEAN, "std": STD},
            ],
        ),
        (
            [
                DECODE,
                {**STRETCH, "size": [256, 256], "interpolation": "bicubic"},
                {"op": "centre_crop", "size": [224, 224]},
                {"op": "normalise", "mean": [123.0, 116.0, 103.0], "std": [58.0, 57.0, 57.0]},
                TENSOR,
            ],
            [
                {"type": "Resize", "size": [256, 256], "interpolation": "bicubic"},
                {"type": "CenterCrop", "crop_size": [224, 224]},
                {
                    "type": "Normalize",
                    "div255": False,
                    "mean": [123.0, 116.0, 103.0],
                    "std": [58.0, 57.0, 57.0],
                },
            ],
        ),
    ],
    ids=["stretch", "bgr", "mean", "crop"],
)
def test_operations_say_what_the_specification_says(
    steps: list[dict[str, Any]], operations: list[dict[str, Any]]
) -> None:
    expected = [{"type": "DecodeImage"}, *operations, {"type": "ToTensor"}]
    assert render_process_ops(steps) == expected


@pytest.mark.parametrize(
    ("resize", "what"),
    [
        ({**LETTERBOX, "size": [320, 416]}, "squares only"),
        ({**STRETCH, "interpolation": "area"}, "by 'area'"),
        ({**STRETCH, "interpolation": "bilinear_align_corners"}, "by 'bilinear_align_corners'"),
    ],
)
def test_what_vamc_cannot_do_to_images_is_refused(resize: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what) as raised:
        render_process_ops([DECODE, resize, TENSOR])
    assert "choose" in raised.value.next


def test_names_differ_where_anything_does() -> None:
    models = ["yolov4", "yolov4_416x416", "yolov4_b1", "a/b", "a-b", "a b", "A", "", ".", "a_int8"]
    models += ["a~b", "ä", "yolov4_416x416_b1_accuracy_int8"]
    variants = ["accuracy", "performance", "heads", "a_b", "a-b", ""]
    every = product(
        models, [(416, 416), (416, 608), (608, 416)], [1, 16], variants, ["fp16", "int8"]
    )
    names = [
        build_name(model, size=size, batch=batch, variant=variant, dtype=dtype)
        for model, size, batch, variant, dtype in every
    ]
    assert len(set(names)) == len(names)
    for name in names:
        assert "/" not in name
        assert not name.startswith(".")


def test_a_name_reads_well() -> None:
    name = build_name(
        "yolov4-tianxiaomo", size=(416, 608), batch=2, variant="accuracy", dtype="int8"
    )
    assert name == "yolov4-tianxiaomo_416x608_b2_accuracy_int8"
