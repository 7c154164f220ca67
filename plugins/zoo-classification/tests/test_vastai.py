"""On VastAI's emulator: resize and crop on the device, softmax too, and the same answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo

PLUGINS = (
    "zoo_classification",
    "zoo_coco",
    "zoo_sample",
    "zoo_onnx",
    "zoo_onnxruntime",
    "zoo_vastai",
)
RUN = ("run", "crops-classifier", "--limit", "40", "--no-bench")
DEVICE = ("--backend", "vastai", "--device", "emulator", "--precision", "fp16")


@pytest.fixture
def commands(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    for name in PLUGINS:
        pytest.importorskip(name)
    monkeypatch.setenv("ZOO_PLUGINS", ",".join(PLUGINS))
    return zoo


def scores(folder: Path) -> np.ndarray[Any, Any]:
    rows = json.loads((folder / "predictions.json").read_text())
    return np.array([row["classes"][0]["score"] for row in rows])


def test_the_device_answers_as_the_processor_does(commands: Zoo, tmp_path: Path) -> None:
    """A device that squashed the crops, or a second softmax, would give other scores."""
    for name, options in (("host", ()), ("one", DEVICE), ("four", (*DEVICE, "--batch", "4"))):
        done = commands(*RUN, *options, "-o", name)
        assert done.code == 0, done.stderr
    expected = scores(tmp_path / "host")

    assert np.abs(scores(tmp_path / "one") - expected).max() < 0.005
    np.testing.assert_array_equal(scores(tmp_path / "four"), scores(tmp_path / "one"))


def test_files_for_a_machine_elsewhere_say_all_of_it(commands: Zoo, tmp_path: Path) -> None:
    done = commands(
        *("compile", "crops-classifier", "--backend", "vastai", "--precision", "fp16"),
        *("--emit-only", tmp_path / "files"),
    )

    assert done.code == 0, done.stderr
    assert "extra_ops: {type: softmax}" in (tmp_path / "files" / "config.yaml").read_text()
    vdsp = json.loads((tmp_path / "files" / "vdsp.json").read_text())
    assert vdsp["OpType"] == "FUSION_OP_RGB_RESIZE_CVTCOLOR_CROP_NORM_TENSOR"
    assert (vdsp["OpConfig"]["CropX"], vdsp["OpConfig"]["CropY"]) == (4, 4)
