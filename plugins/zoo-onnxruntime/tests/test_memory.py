"""Peak memory of calibrating and compiling a network of YOLOv4's size, by every calibrator."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo_core.api import Graph, TensorSpec
from zoo_core.system.hashing import file_digest
from zoo_core.testing.examples import noise
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 416
LIMIT = 2.0e9
IMAGES = 6
UNITS = ((64, 3), (128, 6), (256, 8), (512, 8), (1024, 4))
CONVOLUTIONS = 74  # before the head

RUN = """
import json, sys
from dataclasses import replace
from pathlib import Path
from zoo_core.system.machine import peak_memory
from zoo_core.api import CompileRequest, Target
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import files_stage, preprocess, protocol
from zoo_onnxruntime.compiler import OnnxRuntimeCompiler

folder, side, *calibrators = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]

def given(name):
    files = {path.name: path for path in sorted((folder / name).iterdir())}
    return replace(files_stage(files), name=name)

request = CompileRequest(
    card=model_card(),
    target=Target(backend="onnxruntime", precision="int8", device="cpu"),
    graph="export/graph.json",
    format="onnx",
    form="heads",
    calibration="calibration/images.json",
    calibrator=None,
    preprocess=preprocess((side, side)),
    protocol=protocol(),
    size=(side, side),
)
before = [given("export"), given("calibration")]
for calibrator in calibrators:
    stages = OnnxRuntimeCompiler().stages(replace(request, calibrator=calibrator))
    path = run_stages([*before, *stages], folder / "zoo")["compile"] / "precision.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    print(json.dumps([calibrator, report["int8_nodes"], report["float_nodes"], peak_memory()]))
"""


class Large:
    """A residual backbone with Mish after each convolution, of YOLOv4's weights and activations."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.observed = 0
        self.weights = 0

    def unit(self, source: str, widths: tuple[int, int], kernel: int, side: int, **at: int) -> str:
        """Convolution and Mish; `side` is that of the result."""
        name = f"conv{len(self.nodes)}"
        fan = widths[0] * kernel**2
        shape = (widths[1], widths[0], kernel, kernel)
        weight = self.random.standard_normal(shape, np.float32) * np.float32((1.5 / fan) ** 0.5)
        bias = self.random.normal(0.3, 0.2, widths[1]).astype(np.float32)
        for part, values in (("weight", weight), ("bias", bias)):
            self.constants.append(numpy_helper.from_array(values, f"{name}.{part}"))
        strides, pads = [at.get("stride", 1)] * 2, [kernel // 2] * 4
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        self.add("Conv", inputs, name, strides=strides, pads=pads)
        self.add("Softplus", [name], f"{name}.soft")
        self.add("Tanh", [f"{name}.soft"], f"{name}.tanh")
        self.observed += 2 * widths[1] * side**2
        self.weights += weight.size
        return self.add("Mul", [name, f"{name}.tanh"], f"{name}.mish")

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output


def large_model() -> tuple[onnx.ModelProto, Large]:
    net = Large()
    side = SIDE
    last = net.unit("input", (3, 32), 3, side)
    for width, count in UNITS:
        side //= 2
        last = net.unit(last, (width // 2, width), 3, side, stride=2)
        for number in range(count):
            inner = net.unit(last, (width, width // 2), 1, side)
            inner = net.unit(inner, (width // 2, width), 3, side)
            last = net.add("Add", [last, inner], f"sum.{width}.{number}")
    for _ in range(5):
        last = net.unit(net.unit(last, (1024, 512), 1, side), (512, 1024), 3, side)
    inputs = [last, "head.weight", "head.bias"]
    net.constants.append(
        numpy_helper.from_array(np.full((255, 1024, 1, 1), 0.01, np.float32), "head.weight")
    )
    net.constants.append(numpy_helper.from_array(np.zeros(255, np.float32), "head.bias"))
    net.add("Conv", inputs, "head0")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        net.nodes,
        "large",
        [value("input", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [value("head0", TensorProto.FLOAT, ["batch", 255, side, side])],
        net.constants,
    )
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8), net


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`export` and `calibration`, as earlier stages leave them."""
    root = tmp_path_factory.mktemp("large")
    export, images = root / "export", root / "calibration"
    export.mkdir()
    images.mkdir()
    model, net = large_model()
    assert net.weights > 60e6
    assert net.observed > 100e6
    onnx.save(model, export / "model.onnx")
    graph = Graph(
        format="onnx",
        path="model.onnx",
        inputs=(TensorSpec(name="input", shape=("batch", 3, SIDE, SIDE)),),
        outputs=(TensorSpec(name="head0", shape=("batch", 255, SIDE // 32, SIDE // 32)),),
        facts={},
    )
    (export / "graph.json").write_text(json.dumps(graph.to_data()), encoding="utf-8")
    rows = []
    for number in range(IMAGES):
        path = images / f"{number}.png"
        write_image(path, noise(26, 26, number).repeat(16, axis=0).repeat(16, axis=1))
        rows.append({"path": path.name, "sha256": file_digest(path)})
    (images / "images.json").write_text(json.dumps({"images": rows}), encoding="utf-8")
    return root


@pytest.mark.slow
def test_the_peak_stays_below_two_gigabytes(folder: Path) -> None:
    """One process tries all calibrators, so that the peak of the last is the largest of all."""
    calibrators = ("minmax", "percentile", "entropy", "auto")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), str(SIDE), *calibrators],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row[:3] for row in rows] == [[name, CONVOLUTIONS, 1] for name in calibrators]
    assert all(peak < LIMIT for *_, peak in rows), rows
