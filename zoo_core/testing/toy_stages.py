"""The toy's stages: export, verify, compile, emit, and drawing its images."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Graph, TensorSpec
from zoo_core.api.calibration import tensors
from zoo_core.errors import DataError
from zoo_core.testing.examples import onnx_model
from zoo_core.toolkit.artefact import read_graph, write_artefact
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import StageContext

MODEL_FILE = "model.onnx"
_MAGIC, _NUMBERS = b"TOY1", 4
_CELL = (6, 8)
_COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "none": (200, 200, 200)}
_INT8_OPSET, _INT8_IR = 19, 9  # for quantized nodes in ONNX's reference evaluator


def export(context: StageContext) -> None:
    """Writes model.onnx and graph.json: mean of each cell, 1x1 convolution, sigmoid."""
    import onnx
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array

    size, classes, cell = (context.params[name] for name in ("size", "classes", "stride"))
    weight, bias = _weights(context)
    nodes = [
        make_node("AveragePool", ["input"], ["cells"], "mean", kernel_shape=[cell] * 2,
                  strides=[cell] * 2),
        make_node("Conv", ["cells", "weight", "bias"], ["logits"], "conv"),
        make_node("Sigmoid", ["logits"], ["scores"], "sigmoid"),
    ]  # fmt: skip
    shapes = ("batch", 3, *size), ("batch", classes, size[0] // cell, size[1] // cell)
    specs = [TensorSpec(name=n, shape=s) for n, s in zip(("input", "scores"), shapes, strict=True)]
    constants = [from_array(weight[:, :, None, None], "weight"), from_array(bias, "bias")]
    onnx.save(onnx_model(nodes, specs, constants), context.out / MODEL_FILE)
    graph = Graph(
        format="onnx", path=MODEL_FILE, inputs=(specs[0],), outputs=(specs[1],), facts={"opset": 17}
    )
    _write(context.out / "graph.json", graph.to_data())


def verify(context: StageContext) -> None:
    """Writes verify.json: the graph against the same network in NumPy, on a seeded input."""
    from onnx.reference import ReferenceEvaluator

    (height, width), cell = context.params["size"], context.params["stride"]
    image = np.random.default_rng(0).random((2, 3, height, width), dtype=np.float32)
    model = context.inputs["graph"].parent / MODEL_FILE
    (scores,) = ReferenceEvaluator(str(model)).run(None, {"input": image})
    cells = image.reshape(2, 3, height // cell, cell, width // cell, cell).mean(axis=(3, 5))
    weight, bias = _weights(context)
    logits = np.einsum("oc,bchw->bohw", weight, cells) + bias[:, None, None]
    expected = 1 / (1 + np.exp(-logits))
    error = np.abs(scores - expected)
    figures = {"max_abs": float(error.max()), "max_rel": float((error / expected).max())}
    _write(context.out / "verify.json", {**figures, "reference": "NumPy"})


def build(context: StageContext) -> None:
    """Writes the artefact: the graph as it is, or with int8 convolutions."""
    import onnx

    graph = read_graph(context.inputs["graph"])
    model = onnx.load(context.inputs["graph"].parent / graph.path)
    floats = [node.name for node in model.graph.node]
    quantized: list[str] = []
    if context.params["precision"] == "int8":
        images = tensors(context.inputs["calibration"], context.params["preprocess"])
        quantized = _quantize(model, images, context.params.get("clip"))
        floats = [name for name in floats if name not in quantized]
    onnx.save(model, context.out / MODEL_FILE)
    report = {
        "requested": context.params["precision"],
        "int8_nodes": len(quantized),
        "float_nodes": len(floats),
        "float_node_names": floats,
        "tool": f"onnx {onnx.__version__}",
    }
    write_artefact(context.out, ("onnx", MODEL_FILE), graph, report)


def emit(context: StageContext) -> None:
    """Leaves the graph and build.json in `files`."""
    graph = context.inputs["graph"]
    folder = context.out / "files"
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes((graph.parent / read_graph(graph).path).read_bytes())
    _write(folder / "build.json", {"model": MODEL_FILE, **context.params})


def draw(context: StageContext) -> None:
    """Leaves four images and truth.json in `images`."""
    draw_images(context.out / "images", context.params["seed"])


def draw_images(folder: Path, seed: int) -> None:
    """Red and blue squares, one cell of an 8 x 8 grid each, among grey ones; 48 x 64 pixels."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    rows = []
    for number in range(1, 5):
        image = np.full((8 * _CELL[0], 8 * _CELL[1], 3), random.integers(20, 60), np.uint8)
        objects = []
        for cell in random.choice(64, 8, replace=False).tolist():
            label = str(random.choice(list(_COLOURS)))
            top, left = cell // 8 * _CELL[0], cell % 8 * _CELL[1]
            bottom, right = top + _CELL[0], left + _CELL[1]
            image[top:bottom, left:right] = _COLOURS[label]
            if label != "none":
                objects.append({"label": label, "box": [left, top, right, bottom]})
        name, size = f"{number}.png", list(image.shape[:2])
        write_image(folder / name, image)
        rows.append({"id": number, "name": name, "size": size, "objects": objects})
    _write(folder / "truth.json", rows)


def _weights(context: StageContext) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights [classes, 3] and biases [classes], of a 20-byte file or a seed.

    Four numbers: how a class weighs its own colour, the other one, green; its bias.
    """
    if "weights" in context.inputs:
        path = context.inputs["weights"]
        data = path.read_bytes()
        if data[:4] != _MAGIC or len(data) != 4 + 4 * _NUMBERS:
            raise DataError(
                "is not a toy weights file", where=path.name, next="use one of 20 bytes"
            )
        own, other, green, bias = struct.unpack(f"<{_NUMBERS}f", data[4:])
    else:
        own, other, green, bias = np.random.default_rng(context.params["seed"]).normal(0, 4, 4)
    classes = range(context.params["classes"])
    rows = [(other, green, own) if number % 2 else (own, green, other) for number in classes]
    return np.array(rows, np.float32), np.full(len(classes), bias, np.float32)


def _quantize(model: Any, images: Any, clip: str | None) -> list[str]:
    """Put int8 quantize / dequantize pairs before every convolution; returns their names."""
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array

    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    largest = _largest(model, [name for node in convolutions for name in node.input[:2]], images)
    nodes = []
    for node in model.graph.node:
        for at in range(2 if node in convolutions else 0):
            source, prefix = node.input[at], f"{node.name}.{at}"
            limit = min(largest[source], float(clip or "inf"))
            scale, stored, node.input[at] = f"{prefix}.scale", f"{prefix}.int8", f"{prefix}.float"
            model.graph.initializer.append(from_array(np.array(limit / 127, np.float32), scale))
            nodes.append(make_node("QuantizeLinear", [source, scale, "zero"], [stored]))
            nodes.append(make_node("DequantizeLinear", [stored, scale, "zero"], [node.input[at]]))
        nodes.append(node)
    model.graph.initializer.append(from_array(np.array(0, np.int8), "zero"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.opset_import[0].version, model.ir_version = _INT8_OPSET, _INT8_IR
    return [node.name for node in convolutions]


def _largest(model: Any, names: list[str], images: Any) -> dict[str, float]:
    """The largest magnitude of each of these tensors over all images."""
    from onnx import ModelProto, helper
    from onnx.reference import ReferenceEvaluator

    watched = ModelProto.FromString(model.SerializeToString())
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    evaluator = ReferenceEvaluator(watched)
    runs = [evaluator.run(None, {"input": image}) for image in images]
    most = [
        max(1e-6, *(float(np.abs(array).max()) for array in row)) for row in zip(*runs, strict=True)
    ]
    return dict(zip(names, most, strict=True))


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
