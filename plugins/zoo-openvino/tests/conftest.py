from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo_core.api import Graph, TensorSpec
from zoo_core.testing.examples import files_stage, noise
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Stage

SIDE = 32
HEADS = {"head0": 16, "head1": 8}


@dataclass
class Net:
    """A small ONNX network, built node by node; weights come from one seeded generator."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def conv(
        self, source: str, name: str, widths: tuple[int, int], side: int = 3, **more: Any
    ) -> str:
        fan = widths[0] * side * side
        weight = self.random.normal(0, (2 / fan) ** 0.5, (widths[1], widths[0], side, side))
        bias = self.random.normal(0.3, 0.3, widths[1])
        for part, values in (("weight", weight), ("bias", bias)):
            named = numpy_helper.from_array(values.astype(np.float32), f"{name}.{part}")
            self.constants.append(named)
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        return self.node("Conv", inputs, name, pads=[side // 2] * 4, **more)

    def mish(self, source: str) -> str:
        soft = self.node("Softplus", [source], f"{source}.softplus")
        tanh = self.node("Tanh", [soft], f"{source}.tanh")
        return self.node("Mul", [source, tanh], f"{source}.mish")

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 12, size, size])
                for name, size in HEADS.items()
            ],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def network() -> onnx.ModelProto:
    """Mish, LeakyRelu, SiLU, a sum, a concatenation; eight convolutions, two of them heads."""
    net = Net()
    stem = net.mish(net.conv("input", "stem", (3, 16)))
    down = net.mish(net.conv(stem, "down", (16, 24), strides=[2, 2]))
    narrow = net.mish(net.conv(down, "narrow", (24, 16), side=1))
    total = net.node("Add", [down, net.mish(net.conv(narrow, "wide", (16, 24)))], "sum")
    left = net.node("LeakyRelu", [net.conv(total, "left", (24, 24), side=1)], "leaky", alpha=0.1)
    gate = net.node("Sigmoid", [net.conv(total, "right", (24, 16), side=1)], "gate")
    both = net.node("Concat", [left, net.node("Mul", ["right", gate], "silu")], "both", axis=1)
    net.conv(both, "head0", (40, 12), side=1)
    pooled = net.node("MaxPool", [both], "pooled", kernel_shape=[2, 2], strides=[2, 2])
    net.conv(pooled, "head1", (40, 12), side=1)
    return net.model()


def graph() -> Graph:
    """What goes in and out of `network`."""
    return Graph(
        format="onnx",
        path="model.onnx",
        inputs=(TensorSpec(name="input", shape=("batch", 3, SIDE, SIDE)),),
        outputs=tuple(
            TensorSpec(name=name, shape=("batch", 12, size, size)) for name, size in HEADS.items()
        ),
        facts={},
    )


def stage(name: str, folder: Path) -> Stage:
    """A stage that leaves the files of a folder."""
    files = {path.name: path for path in sorted(folder.iterdir())}
    return replace(files_stage(files), name=name)


@pytest.fixture
def before(tmp_path: Path) -> list[Stage]:
    """An export of the network, and six calibration images."""
    return exported(tmp_path, None)


@pytest.fixture
def before_of_four(tmp_path: Path) -> list[Stage]:
    """The same network for batches of four only."""
    return exported(tmp_path, 4)


def exported(folder: Path, batch: int | None) -> list[Stage]:
    export, images = folder / "given-export", folder / "given-images"
    export.mkdir()
    images.mkdir()
    model, described = network(), graph().to_data()
    if batch:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = batch
        for spec in (*described["inputs"], *described["outputs"]):
            spec["shape"][0] = batch
    onnx.save(model, export / "model.onnx")
    (export / "graph.json").write_text(json.dumps(described), encoding="utf-8")
    rows = []
    for number in range(6):
        path = images / f"{number}.png"
        write_image(path, noise(8, 8, number).repeat(5, axis=0).repeat(6, axis=1))
        rows.append({"path": path.name, "sha256": "0" * 64})
    (images / "images.json").write_text(json.dumps({"images": rows}), encoding="utf-8")
    return [stage("export", export), stage("calibration", images)]


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    """A folder as a compiler of ONNX leaves it."""
    folder = tmp_path / "artefact"
    folder.mkdir()
    onnx.save(network(), folder / "model.onnx")
    known = graph().to_data()
    data = {
        "format": "onnx",
        "model": "model.onnx",
        "inputs": known["inputs"],
        "outputs": known["outputs"][::-1],
        "precision": "fp32",
    }
    (folder / "artefact.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


@pytest.fixture
def images() -> NDArray[np.float32]:
    """Five smooth images float32 [5, 3, 32, 32] in 0..1."""
    coarse = np.random.default_rng(11).random((5, 3, 8, 8), dtype=np.float32)
    return np.ascontiguousarray(coarse.repeat(4, axis=2).repeat(4, axis=3))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
