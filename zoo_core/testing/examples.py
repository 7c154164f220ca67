"""What the contracts try a plugin with: a card, boxes, weights, a tiny graph, plain images."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Graph, ModelCard, Repository, ScoringProtocol, Stage, TensorSpec
from zoo_core.planning.weights import local_weights
from zoo_core.system.hashing import file_digest
from zoo_core.toolkit.artefact import write_graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import StageContext

SIZE = (32, 32)
"""Height and width of the tiny graph's input."""

TINY_STAGE = "export"
IMAGES_STAGE = "calibration"
_HERE = "zoo_core.testing.examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box in a network's outputs: xyxy in network pixels, a label's number, a score."""

    xyxy: tuple[float, float, float, float]
    label: int = 0
    score: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportWeights:
    """Weights for an export: kind and format as in `ExportRequest`, and files by role."""

    kind: str = "random"
    format: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)


def model_card(**changes: Any) -> ModelCard:
    """A card that names nothing real; `changes` replace its fields."""
    card = ModelCard(
        id="contract-model",
        task="detection",
        summary="for contract tests",
        repository=Repository(name="none", url=""),
        license="Apache-2.0",
        exporter="none",
        exporter_params={},
        decoder="none",
        decoder_params={},
        evaluator="none",
        dataset="none",
        size=SIZE,
        preprocess=preprocess(SIZE),
        labels=("red", "blue"),
        protocol="contract",
        origin="contract tests",
    )
    return replace(card, **changes)


def preprocess(size: tuple[int, int]) -> tuple[dict[str, Any], ...]:
    """RGB, stretched to (height, width), values from 0 to 1."""
    return (
        {"op": "decode", "colour": "rgb"},
        {"op": "resize", "mode": "stretch", "size": list(size), "interpolation": "bilinear"},
        {"op": "scale", "factor": 1 / 255},
        {"op": "to_tensor"},
    )


def protocol() -> ScoringProtocol:
    """A protocol without values."""
    return ScoringProtocol(name="contract", task="detection", values={})


def files_stage(files: Mapping[str, Path]) -> Stage:
    """The stage `weights` as a plan has it, for files that lie on this machine."""
    (stage,) = local_weights("given", "", files).stages()
    return stage


def tiny_stage(size: tuple[int, int] = SIZE) -> Stage:
    """The stage `export` that leaves the tiny ONNX graph: three convolutions, seeded weights."""
    return Stage(
        name=TINY_STAGE,
        run=f"{_HERE}:write_tiny",
        params={"size": list(size)},
        outputs=("model.onnx", "graph.json"),
    )


def images_stage() -> Stage:
    """The stage `calibration` that leaves four images of seeded noise and images.json."""
    return Stage(
        name=IMAGES_STAGE,
        run=f"{_HERE}:write_images",
        params={"count": 4},
        outputs=("images.json", "images"),
    )


def write_tiny(context: StageContext) -> None:
    """Leaves model.onnx and graph.json."""
    height, width = context.params["size"]
    write_model(context.out, tiny_model((height, width)), tiny_specs((height, width)))


def write_model(folder: Path, model: Any, specs: tuple[TensorSpec, TensorSpec]) -> None:
    """Leaves the ONNX model (opset 17) of one input and one output, and its graph.json."""
    import onnx

    (image, head), name, facts = specs, "model.onnx", {"opset": 17}
    onnx.save(model, folder / name)
    write_graph(
        folder, Graph(format="onnx", path=name, inputs=(image,), outputs=(head,), facts=facts)
    )


def tiny_model(size: tuple[int, int] = SIZE, seed: int = 0) -> Any:
    """An ONNX model (opset 17): `input` [batch, 3, H, W] -> `head0` [batch, 6, H/4, W/4]."""
    from onnx import helper, numpy_helper

    random = np.random.default_rng(seed)
    constants, nodes, source, channels = [], [], "input", 3
    plan = ((8, 3, 2, "Relu"), (16, 3, 2, "LeakyRelu"), (6, 1, 1, None))
    for number, (width, side, stride, activation) in enumerate(plan):
        fan = channels * side * side
        weight = random.normal(0, (2 / fan) ** 0.5, (width, channels, side, side))
        names = [f"conv{number}.weight", f"conv{number}.bias"]
        bias = random.normal(0, 0.1, width)
        for array, name in zip((weight, bias), names, strict=True):
            constants.append(numpy_helper.from_array(array.astype(np.float32), name))
        target = f"conv{number}" if activation else "head0"
        shape: dict[str, Any] = {"strides": [stride] * 2, "pads": [side // 2] * 4}
        nodes.append(helper.make_node("Conv", [source, *names], [target], target, **shape))
        source, channels = target, width
        if activation:
            source = f"act{number}"
            nodes.append(helper.make_node(activation, [target], [source], source))
    return onnx_model(nodes, tiny_specs(size), constants)


def tiny_specs(size: tuple[int, int]) -> tuple[TensorSpec, TensorSpec]:
    """The tensors that go into the tiny graph and come out of it."""
    height, width = size
    head = ("batch", 6, height // 4, width // 4)
    return (
        TensorSpec(name="input", shape=("batch", 3, height, width)),
        TensorSpec(name="head0", shape=head),
    )


def onnx_model(nodes: Sequence[Any], specs: Sequence[TensorSpec], constants: Sequence[Any]) -> Any:
    """An ONNX model (opset 17) of float32 nodes; the two specs are its input and output."""
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(s.name, TensorProto.FLOAT, s.shape) for s in specs]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_images(context: StageContext) -> None:
    """Leaves `images` and images.json."""
    from zoo_core.vision import write_image

    folder = context.out / "images"
    folder.mkdir()
    rows = []
    for number in range(context.params["count"]):
        path = folder / f"{number:06d}.png"
        write_image(path, noise(48, 64, number))
        rows.append({"path": f"images/{path.name}", "sha256": file_digest(path)})
    (context.out / "images.json").write_text(json.dumps({"images": rows}), encoding="utf-8")


def noise(height: int, width: int, seed: int) -> Any:
    """A seeded image: uint8 [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
