"""A trained network on a real photograph, from its files to settled detections."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
from zoo_darknet.decoder import DarknetDecoder
from zoo_darknet.export import export
from zoo_darknet.verify import verify

from zoo_core.toolkit.detection import Candidates, DetectionRules, postprocess
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo_core.api import StageContext
    from zoo_core.toolkit.detection import Detections

    MakeContext = Callable[[Mapping[str, Path], Mapping[str, Any]], StageContext]

FOLDER = os.environ.get("ZOO_TEST_DATA", "")
EXPECTED = {
    "dog": (0.958, (114, 188, 386, 536)),
    "bicycle": (0.894, (113, 127, 573, 497)),
    "car": (0.841, (450, 78, 685, 162)),
    "truck": (0.437, (451, 80, 676, 163)),
}
STEPS: list[dict[str, Any]] = [
    {"op": "decode", "colour": "rgb"},
    {"op": "resize", "mode": "stretch", "size": [320, 320], "interpolation": "bilinear"},
    {"op": "scale", "factor": 1 / 255},
    {"op": "to_tensor"},
]
RULES = {"conf": 0.25, "nms": 0.45, "nms_kind": "iou", "box_labels": "multi", "max_detections": 100}


@pytest.mark.skipif(not FOLDER, reason="ZOO_TEST_DATA is unset: no trained network here")
@pytest.mark.parametrize("form", ["heads", "e2e"])
def test_yolo_fastest_on_a_photograph(make_context: MakeContext, form: str) -> None:
    folder = Path(FOLDER)
    network = folder / "yolo-fastest-1.1-xl"
    names = (network / "coco.names").read_text().split("\n")
    inputs = {role: network / f"{network.name}.{role}" for role in ("cfg", "weights")}
    params = {"size": [320, 320], "classes": 80, "seed": None, "form": form, "channels": 3}
    made = make_context(inputs, {**params, "opset": 17, "decoder": {}})
    export(made)
    files = {"graph": made.out / "graph.json", "model": made.out / "model.onnx"}
    checked = make_context({**inputs, **files}, params)
    verify(checked)
    assert json.loads((checked.out / "verify.json").read_text())["max_rel"] < 1e-4
    found = detect(made.out, folder / "photos" / "dog.jpg")
    assert [names[label] for label in found.labels] == list(EXPECTED)
    for score, box, (wanted, place) in zip(
        found.scores, found.boxes, EXPECTED.values(), strict=True
    ):
        assert abs(score - wanted) < 0.0015
        np.testing.assert_allclose(box, place, atol=0.6)


def detect(graph: Path, image: Path) -> Detections:
    from zoo_core.vision import read_rgb

    facts = json.loads((graph / "graph.json").read_text())["facts"]
    blob, geometry = Preprocess.from_data(STEPS).prepare(read_rgb(image))
    session = onnxruntime.InferenceSession(
        str(graph / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    names = [item.name for item in session.get_outputs()]
    values = session.run(names, {"input": blob[None]})
    outputs = {name: value[0] for name, value in zip(names, values, strict=True)}
    decode = DarknetDecoder().bind(facts["decoder"], 80, 0.001)
    candidates = Candidates.from_arrays(decode(outputs, geometry))
    return postprocess(candidates, DetectionRules.from_values(RULES))
