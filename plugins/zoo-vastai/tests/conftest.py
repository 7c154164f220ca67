from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_vastai

from zoo_core.api import CompileRequest, Graph, ScoringProtocol, Target, TensorSpec
from zoo_core.plugins.manager import Plugins
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import IMAGES_STAGE, files_stage, images_stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import ModelCard, Stage

SIZE = (64, 96)
STRIDES = (8, 16)
ANCHORS = ((10, 14, 23, 27), (37, 58, 81, 82))
OPERATOR = {
    "type": "yolov4_nms",
    "params": {"anchor": [side for row in ANCHORS for side in row], "strides": list(STRIDES)},
}
PROTOCOL = ScoringProtocol(
    name="device-like",
    task="detection",
    values={"conf": 0.001, "nms": 0.65, "nms_kind": "iou", "box_labels": "multi"},
)
STRETCH: tuple[dict[str, Any], ...] = (
    {"op": "decode", "colour": "rgb"},
    {"op": "resize", "mode": "stretch", "size": list(SIZE), "interpolation": "bilinear"},
    {"op": "scale", "factor": 1 / 255},
    {"op": "to_tensor"},
)


def write_heads(folder: Path, size: tuple[int, int], facts: Mapping[str, Any]) -> dict[str, Path]:
    """Two raw heads of two anchors and two classes at strides 16 and 8, the larger one first."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(3)
    nodes, constants, source, channels, stride = [], [], "input", 3, 1
    outputs = []
    for number, (width, step) in enumerate(((8, 4), (12, 2), (16, 2))):
        stride *= step
        weight = random.normal(0, (2 / (channels * 9)) ** 0.5, (width, channels, 3, 3))
        names = (f"w{number}", f"b{number}")
        for name, array in zip(names, (weight, random.normal(0, 0.2, width)), strict=True):
            constants.append(numpy_helper.from_array(array.astype(np.float32), name))
        nodes.append(
            helper.make_node(
                "Conv", [source, *names], [f"c{number}"], f"c{number}",
                strides=[step] * 2, pads=[1] * 4, kernel_shape=[3, 3],
            )
        )  # fmt: skip
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"]))
        source, channels = f"r{number}", width
        if stride in STRIDES:
            weight = random.normal(0, 0.4, (14, width, 1, 1)).astype(np.float32)
            constants.append(numpy_helper.from_array(weight, f"h{stride}"))
            nodes.append(helper.make_node("Conv", [source, f"h{stride}"], [f"head{stride}"]))
            outputs.insert(0, (f"head{stride}", 14, stride))
    height, width = size
    shapes = [(name, ("batch", c, height // s, width // s)) for name, c, s in outputs]
    graph = helper.make_graph(
        nodes,
        "heads",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, height, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "net.onnx")
    told = Graph(
        format="onnx",
        path="net.onnx",
        inputs=(TensorSpec(name="input", shape=("batch", 3, height, width)),),
        outputs=tuple(TensorSpec(name=name, shape=shape) for name, shape in shapes),
        facts=dict(facts),
    )
    (folder / "graph.json").write_text(json.dumps(told.to_data()), encoding="utf-8")
    return {"net": folder / "net.onnx", "graph": folder / "graph.json"}


@dataclass(frozen=True)
class Case:
    """A compilation of the network of two heads; `with_` changes what is asked."""

    request: CompileRequest
    folder: Path
    facts: Mapping[str, Any]

    def with_(self, **changes: Any) -> Case:
        """Fields of the request, or `options`, `device`, `vastai` (the card's map), `facts`."""
        request = self.request
        target, card = request.target, request.card
        for field in ("precision", "device", "batch", "options"):
            if field in changes:
                target = replace(target, **{field: changes.pop(field)})
        if "vastai" in changes:
            card = replace(card, backends={"vastai": changes.pop("vastai")})
        card = replace(card, **changes.pop("card", {}))
        facts = changes.pop("facts", self.facts)
        if target.precision == "int8":
            changes.setdefault("calibration", f"{IMAGES_STAGE}/images.json")
        request = replace(request, target=target, card=card, **changes)
        return Case(request, self.folder, facts)

    @property
    def before(self) -> list[Stage]:
        """Stages that make the graph, and calibration images for int8."""
        folder = self.folder / "given"
        folder.mkdir(exist_ok=True)
        files = write_heads(folder, self.request.size, self.facts)
        export = replace(files_stage(files), name="export")
        images = [images_stage()] if self.request.calibration else []
        return [export, *images]

    def stages(self) -> Sequence[Stage]:
        return zoo_vastai._compiler().stages(self.request)

    def run(self, stages: Sequence[Stage] | None = None) -> dict[str, Path]:
        """Folders by stage."""
        chosen = self.stages() if stages is None else stages
        return run_stages([*self.before, *chosen], self.folder, Plugins([zoo_vastai]))


@pytest.fixture
def vastai_card() -> ModelCard:
    return model_card(size=SIZE, backends={"vastai": {"extra_ops": OPERATOR}})


@pytest.fixture
def case(tmp_path: Path, vastai_card: ModelCard) -> Case:
    """Fp16 on the emulator, NMS on the device."""
    request = CompileRequest(
        card=vastai_card,
        target=Target(backend="vastai", precision="fp16", device="emulator"),
        graph="export/graph.json",
        format="onnx",
        form="heads",
        calibration=None,
        calibrator=None,
        preprocess=STRETCH,
        protocol=PROTOCOL,
        size=SIZE,
    )
    return Case(request, tmp_path, {})


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a Python program of a name (vamc, vamp) first on PATH, for devices that are real."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def put(name: str, source: str) -> Path:
        path = folder / name
        path.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
        path.chmod(0o755)
        return path

    return put
