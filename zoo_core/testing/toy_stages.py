"""The toy's stages: export, verify, compile, and drawing its images."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Graph, TensorSpec
from zoo_core.api.calibration import tensors
from zoo_core.errors import DataError
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import StageContext

MAGIC = b"TOY1"
MODEL_FILE = "model.onnx"
_NUMBERS = 4
_CELL = (6, 8)
_COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "none": (200, 200, 200)}
_OPSET = 17
_INT8_OPSET, _INT8_IR = 19, 9  # what ONNX's reference evaluator dequantizes


def export(context: StageContext) -> None:
    """Writes model.onnx and graph.json: mean of each cell, 1x1 convolution, sigmoid."""
    import onnx

    params = context.params
    model = _network(_numbers(context), params)
    onnx.save(model, context.out / MODEL_FILE)
    graph = Graph(
        format="onnx",
        path=MODEL_FILE,
        inputs=(TensorSpec(name="input", shape=("batch", 3, *params["size"])),),
        outputs=(TensorSpec(name="scores", shape=("batch", params["classes"], *_grid(params))),),
        facts={"opset": _OPSET},
    )
    _write(context.out / "graph.json", graph.to_data())


def verify(context: StageContext) -> None:
    """Writes verify.json: the graph against the same network in NumPy, on a seeded input."""
    from onnx.reference import ReferenceEvaluator

    size, stride = context.params["size"], context.params["stride"]
    image = np.random.default_rng(0).random((2, 3, *size), dtype=np.float32)
    model = context.inputs["graph"].parent / MODEL_FILE
    (found,) = ReferenceEvaluator(str(model)).run(None, {"input": image})
    height, width = _grid(context.params)
    cells = image.reshape(2, 3, height, stride, width, stride).mean(axis=(3, 5))
    weight, bias = _weights(_numbers(context), context.params["classes"])
    expected = 1 / (1 + np.exp(-(np.einsum("oc,bchw->bohw", weight, cells) + bias)))
    error = np.abs(found - expected)
    _write(
        context.out / "verify.json",
        {
            "max_abs": float(error.max()),
            "max_rel": float((error / np.abs(expected)).max()),
            "reference": "NumPy",
        },
    )


def build(context: StageContext) -> None:
    """Writes the artefact: the graph as it is, or with int8 convolutions."""
    import onnx

    graph = Graph.from_data(json.loads(context.inputs["graph"].read_text(encoding="utf-8")))
    model = onnx.load(context.inputs["graph"].parent / graph.path)
    nodes = [node.name for node in model.graph.node]
    precision = context.params["precision"]
    quantized: list[str] = []
    if precision == "int8":
        images = tensors(context.inputs["calibration"], context.params["preprocess"])
        quantized = _quantize(model, _largest(model, images, context.params.get("clip")))
    onnx.save(model, context.out / MODEL_FILE)
    floats = [name for name in nodes if name not in quantized]
    _write(
        context.out / "precision.json",
        {
            "requested": precision,
            "int8_nodes": len(quantized),
            "float_nodes": len(floats),
            "float_node_names": floats,
            "tool": f"onnx {onnx.__version__}",
        },
    )
    _write(
        context.out / "artefact.json",
        {
            "format": "onnx",
            "model": MODEL_FILE,
            "inputs": [spec.to_data() for spec in graph.inputs],
            "outputs": [spec.to_data() for spec in graph.outputs],
            "precision": precision,
        },
    )


def emit(context: StageContext) -> None:
    """Leaves the graph and build.json in `files`."""
    graph = Graph.from_data(json.loads(context.inputs["graph"].read_text(encoding="utf-8")))
    folder = context.out / "files"
    folder.mkdir()
    data = (context.inputs["graph"].parent / graph.path).read_bytes()
    (folder / MODEL_FILE).write_bytes(data)
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
            label = random.choice(list(_COLOURS))
            top, left = cell // 8 * _CELL[0], cell % 8 * _CELL[1]
            bottom, right = top + _CELL[0], left + _CELL[1]
            image[top:bottom, left:right] = _COLOURS[label]
            if label != "none":
                objects.append({"label": str(label), "box": [left, top, right, bottom]})
        name = f"{number}.png"
        write_image(folder / name, image)
        size = list(image.shape[:2])
        rows.append({"id": number, "name": name, "size": size, "objects": objects})
    _write(folder / "truth.json", rows)


def _numbers(context: StageContext) -> tuple[float, ...]:
    """Of a 20-byte file or a seed: how a class weighs its own colour, the others, green; bias."""
    if "weights" not in context.inputs:
        random = np.random.default_rng(context.params["seed"])
        return tuple(random.normal(0, 4, _NUMBERS).tolist())
    path = context.inputs["weights"]
    data = path.read_bytes()
    if data[:4] != MAGIC or len(data) != 4 + 4 * _NUMBERS:
        raise DataError("is no toy weights file", where=path.name, next="bring one of 20 bytes")
    return struct.unpack(f"<{_NUMBERS}f", data[4:])


def _weights(numbers: tuple[float, ...], classes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    own, other, green, bias = numbers
    weight = np.full((classes, 3), other, np.float32)
    weight[:, 1] = green
    for number in range(classes):
        weight[number, (0, 2)[number % 2]] = own
    return weight, np.full((classes, 1, 1), bias, np.float32)


def _grid(params: Mapping[str, Any]) -> tuple[int, int]:
    height, width = params["size"]
    return height // params["stride"], width // params["stride"]


def _network(numbers: tuple[float, ...], params: Mapping[str, Any]) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    classes, cell = params["classes"], [params["stride"]] * 2
    weight, bias = _weights(numbers, classes)
    nodes = [
        helper.make_node(
            "AveragePool", ["input"], ["cells"], "mean", kernel_shape=cell, strides=cell
        ),
        helper.make_node("Conv", ["cells", "weight", "bias"], ["logits"], "conv"),
        helper.make_node("Sigmoid", ["logits"], ["scores"], "sigmoid"),
    ]
    shapes = ["batch", 3, *params["size"]], ["batch", classes, *_grid(params)]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shapes[0])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shapes[1])],
        [
            numpy_helper.from_array(weight[:, :, None, None], "weight"),
            numpy_helper.from_array(bias.ravel(), "bias"),
        ],
    )
    opset = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def _largest(model: Any, images: Any, clip: str | None) -> dict[str, float]:
    """The largest magnitude of each convolution's input over the calibration images."""
    from onnx import ModelProto, helper
    from onnx.reference import ReferenceEvaluator

    watched = ModelProto()
    watched.CopyFrom(model)
    names = [node.input[0] for node in model.graph.node if node.op_type == "Conv"]
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    evaluator = ReferenceEvaluator(watched)
    found = dict.fromkeys(names, 1e-6)
    for image in images:
        seen = evaluator.run(None, {model.graph.input[0].name: image})
        for name, array in zip(names, seen, strict=True):
            found[name] = max(found[name], float(np.abs(array).max()))
    return {name: min(value, float(clip or "inf")) for name, value in found.items()}


def _quantize(model: Any, largest: Mapping[str, float]) -> list[str]:
    """Put int8 quantize / dequantize pairs before every convolution; returns their names."""
    from onnx import helper, numpy_helper

    weights = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    nodes, constants, quantized = [], [], []
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1] in weights:
            weight = weights[node.input[1]]
            scales = largest[node.input[0]] / 127, float(np.abs(weight).max()) / 127
            names = [f"{node.name}.{part}" for part in ("input", "weight")]
            for name, scale in zip(names, scales, strict=True):
                constants.append(
                    numpy_helper.from_array(np.array(scale, np.float32), f"{name}.scale")
                )
                constants.append(numpy_helper.from_array(np.array(0, np.int8), f"{name}.zero"))
            stored = np.clip(np.round(weight / scales[1]), -127, 127).astype(np.int8)
            constants.append(numpy_helper.from_array(stored, f"{names[1]}.int8"))
            pair = [f"{names[0]}.scale", f"{names[0]}.zero"]
            nodes.append(helper.make_node("QuantizeLinear", [node.input[0], *pair], [names[0]]))
            for name, source in zip(names, (names[0], f"{names[1]}.int8"), strict=True):
                pair = [f"{name}.scale", f"{name}.zero"]
                nodes.append(helper.make_node("DequantizeLinear", [source, *pair], [f"{name}.f"]))
            node.input[0], node.input[1] = (f"{name}.f" for name in names)
            quantized.append(node.name)
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    model.opset_import[0].version = max(model.opset_import[0].version, _INT8_OPSET)
    model.ir_version = max(model.ir_version, _INT8_IR)
    return quantized


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
