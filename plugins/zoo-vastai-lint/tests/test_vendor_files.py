"""Every configuration and vdsp file of the vendor's own repository, where a clone is at hand."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml
from zoo_vastai.compile.config import Build, CalibrationImages, render_config
from zoo_vastai.compile.preprocess import render_vdsp
from zoo_vastai.formats.config import config_text, parse_config, read_config
from zoo_vastai.formats.vdsp import parse_vdsp, read_vdsp, vdsp_text
from zoo_vastai_lint.result import document
from zoo_vastai_lint.run import lint

from zoo_core.errors import RegistryError

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "43aff36"
CONFIG = "cv/detection/yolov4/build_in/build/tianxiaomo_config.yaml"
VDSP = "cv/detection/yolov4/build_in/vdsp_params/tianxiaomo-yolov4-vdsp_params.json"
LETTERBOX = [
    {"op": "decode", "colour": "rgb"},
    {"op": "resize", "mode": "letterbox", "size": [416, 416], "pad": 114},
    {"op": "scale", "factor": 1 / 255},
    {"op": "to_tensor"},
]


def git(clone: str, *arguments: str, given: bytes = b"") -> bytes:
    command = ["git", "-c", "safe.directory=*", "-C", clone, *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the YAML and JSON files of the pinned commit."""
    clone = os.environ.get("ZOO_TEST_VASTMODELZOO")
    if not clone:
        pytest.skip("ZOO_TEST_VASTMODELZOO names no clone of Vastai/VastModelZOO")
    names = git(clone, "ls-tree", "-r", "--name-only", "-z", COMMIT).decode().split("\0")
    wanted = [name for name in names if name.endswith((".yaml", ".yml", ".json"))]
    asked = "".join(f"{COMMIT}:{name}\n" for name in wanted)
    blobs = git(clone, "cat-file", "--batch", given=asked.encode())
    folder, at = tmp_path_factory.mktemp("vendor"), 0
    for name in wanted:
        end = blobs.index(b"\n", at)
        size = int(blobs[at:end].split()[-1])
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(blobs[end + 1 : end + 1 + size])
        at = end + 1 + size + 1
    return folder


def configurations(vendor: Path) -> list[Path]:
    return [
        path
        for path in sorted(vendor.rglob("*.y*ml"))
        if "build_in/build" in path.relative_to(vendor).as_posix()
    ]


def test_every_configuration_comes_back_equal(vendor: Path) -> None:
    paths = configurations(vendor)
    assert len(paths) == 342
    for path in paths:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        config = read_config(path)
        assert config.to_data() == data, path
        again = yaml.safe_load(config_text(config))
        assert again == data, path
        assert parse_config(again) == config, path


def test_every_vdsp_file_comes_back_equal(vendor: Path) -> None:
    equal, refused = 0, []
    for path in sorted(vendor.rglob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or not {"OpType", "vdsp_op_type"} & data.keys():
            continue
        try:
            op = read_vdsp(path)
        except RegistryError as error:
            refused.append((path.name, error.what))
            continue
        assert op.to_data() == data, path
        assert json.loads(vdsp_text(op)) == data, path
        equal += 1
    assert equal == 769
    assert len(refused) == 2
    assert all("old form (vdsp_op_type)" in what for _, what in refused)


def test_the_rendered_configuration_is_the_vendors(vendor: Path) -> None:
    data = yaml.safe_load((vendor / CONFIG).read_text(encoding="utf-8"))
    build = Build(
        name=data["name"],
        checkpoint=data["frontend"]["checkpoint"],
        inputs={"input": [1, 3, 416, 416]},
        dtype="int8",
        preprocess=LETTERBOX,
        size=(416, 416),
        calibration=CalibrationImages(
            path=data["dataset"]["path"], suffix="jpg", count=50, mode="kl_divergence"
        ),
        extra_ops=data["graph"]["extra_ops"],
        compile={"data_transport_mode": 3, "cluster_mode": 0},
        workspace=data["workspace"]["path"],
    )
    assert render_config(build).to_data() == data


def test_the_rendered_vdsp_does_what_the_vendors_does(vendor: Path) -> None:
    theirs = read_vdsp(vendor / VDSP)
    ours = render_vdsp(LETTERBOX, (416, 416))
    same = ("op", "image_format", "output_width", "output_height", "resize_type", "colour", "norm")
    for name in same:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert not theirs.uses_mean
    assert (ours.mean, ours.std) == (None, None)  # theirs carries them unused
    assert theirs.padding is None  # the assumed 114 is written out
    assert ours.padding == (114, 114, 114)


def test_the_halves_are_those_that_the_vendor_wrote(vendor: Path) -> None:
    """ImageNet's mean and std, rounded here, are the numbers of most of the vendor's files."""
    values = [{"op": "scale", "factor": 1 / 255}]
    values += [{"op": "normalise", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}]
    ours = render_vdsp([*LETTERBOX[:2], *values, LETTERBOX[-1]], (416, 416))
    count = 0
    for path in vendor.rglob("*.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and "OpType" in data:
            op = parse_vdsp(data)
            count += (op.mean, op.std) == (ours.mean, ours.std)
    assert count > 300


def test_the_census_of_findings(vendor: Path) -> None:
    """What is told about the vendor's files: errors are few, and every one is true."""
    reports = lint([vendor])
    kinds = Counter(report.kind for report in reports)
    assert kinds["vdsp"] == 769
    assert kinds["vdsp-legacy"] == 2
    assert kinds["vamc2"] == 0
    good = [report for report in reports if report.kind in ("vamc", "vdsp")]
    assert all(report.parsed and report.round_trip for report in good)
    assert sum("build_in/build" in report.path for report in good if report.kind == "vamc") == 342
    errors = [
        (report.path.removeprefix(f"{vendor}/"), finding.rule)
        for report in reports
        for finding in report.findings
        if finding.severity == "error"
    ]
    assert sorted(errors) == [
        ("cv/classification/mobilenet_v3/build_in/build/ppcls_mobilenetv3.yaml", "misspelt-key"),
        ("cv/classification/mobilenet_v3/build_in/build/sqlai_mobilenetv3.yaml", "misspelt-key"),
        (
            "cv/pose/yolov8_pose/build_in/vdsp_params/"
            "ultralytics-yolov8x_pose-vdsp_params copy.json",
            "legacy-form",
        ),
        ("cv/text_recognition/cnn_ctc/build_in/infer/model_info/vdsp_params.json", "legacy-form"),
    ]
    rules = Counter(
        finding.rule
        for report in reports
        for finding in report.findings
        if finding.severity == "warning"
    )
    assert rules["name-dtype"] == 4
    assert rules["thresholds"] == 6
    assert rules["stale-key"] == 13
    clean = {report.path for report in good if report.clean}
    assert {f"{vendor}/{CONFIG}", f"{vendor}/{VDSP}"} <= clean
    json.dumps(document(reports))
