from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo_core.api import Graph, Stage, TensorSpec
from zoo_core.system.hashing import file_digest
from zoo_core.testing.examples import files_stage, noise
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class Net:
    """A small ONNX graph, built node by node; weights come from one seeded generator."""

    def __init__(self, size: tuple[int, int] = (32, 32), opset: int = 17, seed: int = 1) -> None:
        self.size, self.opset = size, opset
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.channels = {"input": 3}

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        self.channels.setdefault(output, self.channels.get(inputs[0], 0))
        return output

    def constant(self, name: str, values: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def conv(
        self, source: str, name: str, width: int, kernel: int = 3, stride: int = 1, group: int = 1
    ) -> str:
        fan = self.channels[source] // group * kernel**2
        shape = (width, self.channels[source] // group, kernel, kernel)
        weight = self.random.normal(0, (2 / fan) ** 0.5, shape)
        names = [
            self.constant(f"{name}.weight", weight),
            self.constant(f"{name}.bias", self.random.normal(0.3, 0.3, width)),
        ]
        self.channels[name] = width
        pads = [kernel // 2] * 4
        return self.node(
            "Conv", [source, *names], name, strides=[stride] * 2, pads=pads, group=group
        )

    def mish(self, source: str) -> str:
        soft = self.node("Softplus", [source], f"{source}.softplus")
        tanh = self.node("Tanh", [soft], f"{source}.tanh")
        return self.node("Mul", [source, tanh], f"{source}.mish")

    def model(self, *outputs: str) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, *self.size])],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
            self.constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8
        )
        inferred = onnx.shape_inference.infer_shapes(model)
        del model.graph.output[:]
        model.graph.output.extend(inferred.graph.output)
        return model

    def save(self, path: Path, *outputs: str) -> Path:
        onnx.save(self.model(*outputs), path)
        return path


class Nets:
    """Networks that stand for what the compiler meets."""

    new = Net

    def mish(self, **options: Any) -> onnx.ModelProto:
        """Mish, a residual sum, a concatenation, two heads; eight convolutions."""
        net = Net(**options)
        stem = net.mish(net.conv("input", "stem", 16))
        down = net.mish(net.conv(stem, "down", 24, stride=2))
        narrow = net.mish(net.conv(down, "narrow", 16, kernel=1))
        wide = net.mish(net.conv(narrow, "wide", 24))
        total = net.node("Add", [down, wide], "sum")
        left = net.mish(net.conv(total, "left", 24, kernel=1))
        right = net.node("LeakyRelu", [net.conv(total, "right", 16, kernel=1)], "leaky", alpha=0.1)
        both = net.node("Concat", [left, right], "both", axis=1)
        net.channels["both"] = 40
        net.conv(both, "head0", 12, kernel=1)
        pooled = net.node("MaxPool", [both], "pooled", kernel_shape=[2, 2], strides=[2, 2])
        net.conv(pooled, "head1", 12, kernel=1)
        return net.model("head0", "head1")

    def depthwise(self, spread: float = 1.0, **options: Any) -> onnx.ModelProto:
        """Pointwise, depthwise, pointwise; channels of the depthwise weights differ by `spread`."""
        net = Net(**options)
        first = net.node("Relu", [net.conv("input", "stem", 32, kernel=1)], "stem.relu")
        depth = net.conv(first, "depth", 32, kernel=5, group=32)
        kernel = net.constants[-2]
        scale = np.geomspace(1, spread, 32, dtype=np.float32).reshape(-1, 1, 1, 1)
        weights = numpy_helper.to_array(kernel) * scale
        kernel.CopyFrom(numpy_helper.from_array(weights, kernel.name))
        relu = net.node("Relu", [depth], "depth.relu")
        point = net.node("Relu", [net.conv(relu, "point", 24, kernel=1)], "point.relu")
        net.conv(point, "head0", 8, kernel=1)
        return net.model("head0")

    def before(self, model: onnx.ModelProto, folder: Path, count: int) -> list[Stage]:
        """An export of the model, and calibration images of noise with some structure."""
        export, images = folder / "export", folder / "images"
        export.mkdir()
        images.mkdir()
        onnx.save(model, export / "model.onnx")
        inputs, outputs = (
            tuple(
                TensorSpec(
                    name=value.name,
                    shape=tuple(d.dim_value or "batch" for d in value.type.tensor_type.shape.dim),
                )
                for value in values
            )
            for values in (model.graph.input, model.graph.output)
        )
        graph = Graph(format="onnx", path="model.onnx", inputs=inputs, outputs=outputs, facts={})
        (export / "graph.json").write_text(json.dumps(graph.to_data()), encoding="utf-8")
        rows = []
        for number in range(count):
            path = images / f"{number}.png"
            write_image(path, noise(8, 8, number).repeat(5, axis=0).repeat(6, axis=1))
            rows.append({"path": path.name, "sha256": file_digest(path)})
        (images / "images.json").write_text(json.dumps({"images": rows}), encoding="utf-8")
        return [_given("export", export), _given("calibration", images)]


def _given(name: str, folder: Path) -> Stage:
    """A stage that leaves the files of a folder."""
    files = {path.name: path for path in sorted(folder.iterdir())}
    return replace(files_stage(files), name=name)


@pytest.fixture
def nets() -> Nets:
    return Nets()


@pytest.fixture
def images() -> NDArray[np.float32]:
    """Five smooth images float32 [5, 3, 32, 32] in 0..1."""
    generator = np.random.default_rng(11)
    coarse = generator.random((5, 3, 8, 8), dtype=np.float32)
    return np.ascontiguousarray(coarse.repeat(4, axis=2).repeat(4, axis=3))


@pytest.fixture
def before(nets: Nets, tmp_path: Path) -> list[Stage]:
    """The stages before those of the compiler, of a network with Mish."""
    return nets.before(nets.mish(size=(32, 32)), tmp_path, count=6)
