"""Trained networks of the repositories on real COCO images, against independent figures.

The figures of FastestDet are those of its own `handle_preds` with pycocotools on the same 128
images; those of NanoDet-m of a NumPy decode with points at (stride - 1) / 2. Yolo-FastestV2's
weights need its repository's code to become a graph, so they are compared by hand (README).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

DATA = Path(os.environ.get("ZOO_TEST_DATA", "/nonexistent"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "third-party").is_dir(),
        reason="ZOO_TEST_DATA names no folder with third-party networks",
    ),
]
IMAGES = (
    "--images",
    DATA / "coco-val2017-128" / "images",
    "--annotations",
    DATA / "coco-val2017-128" / "instances.json",
)
NETWORKS = {
    "fastestdet": ("FastestDet.onnx", "0.45", 0.1504, 0.3047),
    "nanodet-m": ("nanodet_m_320.onnx", "0.6", 0.2325, 0.4085),
}


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("model", NETWORKS)
def test_the_reference_scores_are_met(zoo: Zoo, model: str, backend: str) -> None:
    file, nms, ap, ap50 = NETWORKS[model]
    pytest.importorskip(f"zoo_{backend}")

    done = zoo(
        *("eval", model, "--weights", DATA / "third-party" / file, *IMAGES, "--backend", backend),
        *("--box-labels", "best", "--nms", nms, "--conf", "0.001", "--resize", "stretch"),
        *("--json", "-"),
    )

    assert done.code == 0, done.stderr
    metrics = done.json["metrics"]
    assert metrics["AP"] == pytest.approx(ap, abs=0.001)
    assert metrics["AP50"] == pytest.approx(ap50, abs=0.001)
