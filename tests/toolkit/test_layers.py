"""Sums of differences against NumPy, and module paths out of exporters' names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import helper

from zoo_core.toolkit.layers.rows import Layer, module_of, write_layers
from zoo_core.toolkit.layers.sums import Affine, Sums
from zoo_core.toolkit.similarity import snr_db

if TYPE_CHECKING:
    from pathlib import Path


def test_sums_are_those_of_all_images_together() -> None:
    random = np.random.default_rng(1)
    images = [random.normal(3, 1, (1, 7, 150, 100)).astype(np.float32) for _ in range(3)]
    bytes_ = [np.clip(np.rint(a / 0.05) + 9, 0, 255).astype(np.uint8) for a in images]
    sums = Sums()
    for a, q in zip(images, bytes_, strict=True):
        sums.add(a, q, Affine(0.05, 9))
    a, b = np.stack(images).astype(np.float64), (np.stack(bytes_).astype(np.float64) - 9) * 0.05
    assert sums.snr_db == pytest.approx(snr_db(a, b), abs=1e-3)
    cosine = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
    assert sums.cosine == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, -2.0], [1.0, -2.0], (None, 1.0)),
        ([0.0, 0.0], [1.0, 0.0], (None, None)),
        ([1.0, 0.0], [0.0, 0.0], (0.0, None)),
        ([1.0, 0.0], [-1.0, 0.0], (pytest.approx(-6.0206, abs=1e-4), -1.0)),
        ([1.0, 0.0], [1.0], (None, None)),
        ([1.0, np.nan], [1.0, 0.0], (None, None)),
        ([1e30, 0.0], [1e30, 1.0], (None, None)),
        ([], [], (None, None)),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_has_no_ratio(a: list[float], b: list[float], expected: object) -> None:
    sums = Sums()
    sums.add(np.array(a, np.float32), np.array(b, np.float32))
    assert (sums.snr_db, sums.cosine) == expected


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("/down1/conv1/Conv", "down1.conv1"),
        ("/down1/conv1/conv.0/Conv", "down1.conv1.conv.0"),
        ("/layer1/layer1.0/downsample/downsample.0/Conv", "layer1.0.downsample.0"),
        ("/model.22/cv2.0/cv2.0.1/conv/Conv_1", "model.22.cv2.0.1.conv"),
        ("/layers.106/body/body.0/Conv", "layers.106.body.0"),
        ("/Concat_3", None),
        ("Conv_0", None),
        ("", None),
    ],
)
def test_the_module_in_a_name_of_the_older_exporter(name: str, module: str | None) -> None:
    assert module_of(helper.make_node("Conv", ["x", "w"], ["y"], name)) == module


@pytest.mark.parametrize(
    ("scopes", "module"),
    [
        ("['', 'a', 'a.seq', 'a.seq.0', 'conv2d']", "a.seq.0"),
        ("['', 'add']", None),
        ("not a list", None),
        ("[]", None),
        ("7", None),
    ],
)
def test_the_module_in_the_metadata_of_the_newer_exporter(scopes: str, module: str | None) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], "node_conv2d")
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    assert module_of(node) == module


def test_the_worst_layer_comes_first(tmp_path: Path) -> None:
    rows = []
    for number, noise in enumerate((0.0, 0.1, 0.5)):
        a = np.ones(4, np.float32)
        own = Sums() if number else None
        whole = Sums()
        for sums in filter(None, (whole, own)):
            sums.add(a, a + np.float32(noise))
        text = str(number)
        rows.append(
            Layer(
                tensor=text, node=text, operator="Conv", module=None, precision="int8",
                whole=whole, own=own,
            )
        )  # fmt: skip
    write_layers(tmp_path, 2, "float", rows)
    data = json.loads((tmp_path / "layers.json").read_text(encoding="utf-8"))
    assert (data["images"], data["reference"]) == (2, "float")
    assert [row["tensor"] for row in data["layers"]] == ["2", "1", "0"]
    assert [row["snr_db"] for row in data["layers"]] == [6.02, 20.0, None]
    assert [row["own_snr_db"] for row in data["layers"]] == [6.02, 20.0, None]
