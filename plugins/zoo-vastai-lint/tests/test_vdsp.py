"""Rules on vdsp files, alone and held against a configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from zoo_vastai.compile.config import Build, CalibrationImages, render_config
from zoo_vastai.compile.preprocess import render_vdsp
from zoo_vastai_lint.run import lint

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_vastai_lint.result import FileReport, Finding

DECODE: dict[str, Any] = {"op": "decode", "colour": "rgb"}
LETTERBOX: dict[str, Any] = {"op": "resize", "mode": "letterbox", "size": [64, 64], "pad": 114}
STRETCH: dict[str, Any] = {"op": "resize", "mode": "stretch", "size": [64, 64]}
CROP: list[dict[str, Any]] = [
    {"op": "resize", "mode": "stretch", "size": [80, 80]},
    {"op": "centre_crop", "size": [64, 64]},
]
VALUES: list[dict[str, Any]] = [
    {"op": "scale", "factor": 1 / 255},
    {"op": "normalise", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
]
TENSOR: dict[str, Any] = {"op": "to_tensor"}
STEPS = [DECODE, LETTERBOX, *VALUES, TENSOR]


def write(path: Path, steps: list[dict[str, Any]], **config: Any) -> Path:
    data = render_vdsp(steps, (64, 64)).to_data()
    data["OpConfig"].update(config)
    data["OpConfig"] = {key: value for key, value in data["OpConfig"].items() if value is not ...}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def worse(report: FileReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity != "info"]


def test_what_is_rendered_is_clean(tmp_path: Path) -> None:
    for number, spatial in enumerate(([LETTERBOX], [STRETCH], CROP)):
        path = write(tmp_path / f"{number}.json", [DECODE, *spatial, *VALUES, TENSOR])
        (report,) = lint([path])
        assert (report.kind, report.parsed, report.round_trip) == ("vdsp", True, True)
        assert report.findings == ()


@pytest.mark.parametrize(
    ("steps", "config", "rule", "severity"),
    [
        (STEPS, {"NormaTyp": "DIV255"}, "misspelt-key", "error"),
        (STEPS, {"NormaType": "DIV_255"}, "unknown-value", "error"),
        (STEPS, {"ColorCvtCode": "RGB2BRG"}, "unknown-value", "error"),
        (STEPS, {"NormaType": "DIV255"}, "unused-mean", "info"),
        (STEPS, {"Mean": ...}, "missing-key", "error"),
        (STEPS, {"NormaType": ...}, "missing-key", "error"),
        (STEPS, {"Mean": [0.485, 0.456, 0.406]}, "mean-rounding", "info"),
        (STEPS, {"Mean": [123.5, 116.5, 103.5]}, "normalise", "warning"),
        (STEPS, {"Mean": [14275, 14156, 13951]}, "normalise", "error"),
        (STEPS, {"NormaType": "MINUSMEAN_DIVSTD"}, "normalise", "warning"),
        (STEPS, {"Std": [0, 1, 1]}, "normalise", "error"),
        (STEPS, {"Padding": ...}, "padding", "info"),
        ([DECODE, STRETCH, *VALUES, TENSOR], {"Padding": [1, 1, 1]}, "padding", "warning"),
        ([DECODE, {**LETTERBOX, "rounding": "down"}, *VALUES, TENSOR], {}, "letterbox", "info"),
        ([DECODE, *CROP, *VALUES, TENSOR], {"CropX": 40}, "crop", "error"),
        ([DECODE, *CROP, *VALUES, TENSOR], {"CropX": 0}, "crop", "warning"),
        ([DECODE, *CROP, *VALUES, TENSOR], {"CropX": ...}, "missing-key", "error"),
        (STEPS, {"OimageWidth": ...}, "output-size", "info"),
        (STEPS, {"IimageHeightPitch": 80}, "pitch", "info"),
        (STEPS, {"IimageWidth": "64"}, "unreadable", "error"),
    ],
)
def test_a_defect_is_found(
    tmp_path: Path, steps: list[dict[str, Any]], config: dict[str, Any], rule: str, severity: str
) -> None:
    (report,) = lint([write(tmp_path / "vdsp.json", steps, **config)])
    assert (rule, severity) in [(f.rule, f.severity) for f in report.findings], report.findings
    if severity == "info":
        assert report.clean


@pytest.mark.parametrize(
    ("data", "kind", "rule"),
    [
        ({"vdsp_op_type": 301}, "vdsp-legacy", "legacy-form"),
        ({"OpType": "FUSION_OP_RGB_RESIZE_CVTCOLR_NORM_TENSOR"}, "vdsp", "unknown-operator"),
        ({"some": "thing"}, "unknown", "unknown-file"),
        ({"model": {"checkpoint": "x"}, "engine": {}}, "vamc2", "legacy-form"),
    ],
)
def test_other_forms(tmp_path: Path, data: Any, kind: str, rule: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    (report,) = lint([path])
    assert report.kind == kind
    assert worse(report)[0].rule == rule
    assert report.round_trip == (kind == "vdsp")


@pytest.mark.parametrize("odd", [None, 0, "x", [], {}, [[1]], True, 1.5, [float("nan")] * 3])
def test_no_content_breaks_the_check(tmp_path: Path, odd: Any) -> None:
    path = tmp_path / "vdsp.json"
    data = render_vdsp([DECODE, *CROP, *VALUES, TENSOR], (64, 64)).to_data()
    for key in [*data["OpConfig"], "Padding", "OpType", "OpConfig"]:
        broken = {**data, "OpConfig": {**data["OpConfig"], key: odd}}
        if key.startswith("Op"):
            broken = {**data, key: odd}
        path.write_text(json.dumps(broken), encoding="utf-8")
        (report,) = lint([path])
        assert report.kind in ("vdsp", "unknown")


def pair(
    tmp_path: Path, steps: list[dict[str, Any]], device: list[dict[str, Any]], **config: Any
) -> list[Finding]:
    """What is told of a configuration by one specification with a vdsp file by another."""
    build = Build(
        name="net_int8",
        checkpoint="/net.onnx",
        inputs={"x": [1, 3, 64, 64]},
        dtype="int8",
        preprocess=steps,
        size=(64, 64),
        workspace="/out",
        calibration=CalibrationImages(path="/calib", suffix="jpg", count=9, mode="max"),
    )
    path = tmp_path / "build_in" / "build" / "net.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(render_config(build).to_data()), encoding="utf-8")
    write(tmp_path / "build_in" / "vdsp_params" / "net-vdsp_params.json", device, **config)
    (report,) = lint([path])
    return worse(report)


@pytest.mark.parametrize(
    ("device", "config", "word"),
    [
        ([DECODE, STRETCH, *VALUES, TENSOR], {}, "letterboxes"),
        ([DECODE, LETTERBOX, VALUES[0], TENSOR], {}, "the device DIV255"),
        ([{**DECODE, "colour": "bgr"}, *STEPS[1:]], {}, "RGB2BGR"),
        (STEPS, {"Mean": [0.5, 0.5, 0.5]}, "has mean"),
    ],
)
def test_what_calibration_and_device_do_differently_is_told(
    tmp_path: Path, device: list[dict[str, Any]], config: dict[str, Any], word: str
) -> None:
    (finding,) = pair(tmp_path, STEPS, device, **config)
    assert (finding.rule, finding.severity) == ("vdsp-differs", "warning")
    assert word in finding.message
    assert "net-vdsp_params.json" in finding.message


def test_a_crop_that_only_one_does(tmp_path: Path) -> None:
    (finding,) = pair(tmp_path, [DECODE, STRETCH, TENSOR], [DECODE, *CROP, TENSOR])
    assert "does not crop" in finding.message


def test_what_does_the_same_is_not_told(tmp_path: Path) -> None:
    assert pair(tmp_path, STEPS, STEPS) == []


def test_another_resampler_is_worth_an_info(tmp_path: Path) -> None:
    assert pair(tmp_path, STEPS, STEPS, ResizeType="BILINEAR_PILLOW") == []
    (report,) = lint([tmp_path / "build_in" / "build" / "net.yaml"])
    assert [finding.rule for finding in report.findings] == ["resampler"]


def test_the_nearest_of_several_vdsp_files_counts(tmp_path: Path) -> None:
    other = tmp_path / "build_in" / "vdsp_params" / "other-net-vdsp_params.json"
    write(other, [DECODE, STRETCH, TENSOR])
    assert pair(tmp_path, STEPS, STEPS) == []


def test_a_vdsp_file_given_by_hand_counts_alone(tmp_path: Path) -> None:
    assert pair(tmp_path, STEPS, STEPS) == []
    wrong = write(tmp_path / "wrong.json", [DECODE, STRETCH, TENSOR])
    config = tmp_path / "build_in" / "build" / "net.yaml"
    (report,) = lint([config], vdsp=wrong)
    assert {finding.rule for finding in worse(report)} == {"vdsp-differs"}
    named = lint([config, wrong])
    assert {finding.rule for finding in worse(named[0])} == {"vdsp-differs"}
