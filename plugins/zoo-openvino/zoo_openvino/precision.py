"""What a network really computes in, read from what OpenVINO made of it for the device."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.toolkit.artefact import NodePrecision, precision_report
from zoo_openvino.engine import tool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MATRIX_OPERATORS = frozenset(
    {
        "Convolution",
        "GroupConvolution",
        "ConvolutionBackpropData",
        "GroupConvolutionBackpropData",
        "MatMul",
    }
)

_FRONTEND_SUFFIX = "/WithoutBiases"
_SPELLING = {
    "i8": "int8",
    "u8": "int8",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
}
_MATRIX_LAYERS = frozenset({"Convolution", "Deconvolution", "FullyConnected", "MatMul"})
_MERGED = 4
"""Nodes after a product that may be merged with it: two scalings, a bias, an activation."""

_NO_WORK = frozenset({"Const", "Input", "Output", "Reshape"})


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a compiled model, the operators it came from, and what it computes in."""

    kind: str
    origins: frozenset[str]
    precision: str


def layers(compiled: Any) -> tuple[Layer, ...]:
    """The layers of an `openvino.CompiledModel` in the order they run."""
    found = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        facts = node.get_rt_info()
        kind, origins, precision = (
            str(facts[key].astype(str))
            for key in ("layerType", "originalLayersNames", "runtimePrecision")
        )
        spelled = _SPELLING.get(precision.lower(), precision)
        found.append(Layer(kind, frozenset(origins.split(",")), spelled))
    return tuple(found)


def node_precisions(
    model: Any, made: Sequence[Layer], reasons: Mapping[str, str]
) -> tuple[NodePrecision, ...]:
    """All matrix operators of a model in order; `reasons` says why some were left float."""
    precisions = {
        origin: layer.precision
        for layer in made
        if layer.kind not in _NO_WORK
        for origin in layer.origins
    }
    fused = {
        origin: layer.precision
        for layer in made
        if layer.kind in _MATRIX_LAYERS
        for origin in layer.origins
    }
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() not in MATRIX_OPERATORS:
            continue
        given = node.get_friendly_name()
        name = given.removesuffix(_FRONTEND_SUFFIX)
        precision = precisions.get(given) or precisions.get(name) or _merged(node, fused)
        reason = "" if precision == "int8" else reasons.get(name, "")
        found.append(NodePrecision(name, node.get_type_name(), precision, reason))
    return tuple(found)


def _merged(node: Any, fused: Mapping[str, str]) -> str:
    """The precision of a node that OpenVINO merged with what follows it, under that one's name.

    A product is called like the sum with its bias, the scaling of its integers or its activation.
    """
    for _ in range(_MERGED):
        readers = node.output(0).get_target_inputs()
        if len(readers) != 1:
            break
        node = next(iter(readers)).get_node()
        if node.get_friendly_name() in fused:
            return fused[node.get_friendly_name()]
    return "unknown"


def report(
    requested: str, nodes: Sequence[NodePrecision], made: Sequence[Layer], warnings: Sequence[str]
) -> dict[str, Any]:
    """The content of precision.json that every precision shares."""
    others = Counter(
        f"{layer.kind} {layer.precision}" for layer in made if layer.kind not in _NO_WORK
    )
    return {
        **precision_report(requested, nodes, tool(), warnings),
        "computed_in": dict(sorted(Counter(node.precision for node in nodes).items())),
        "layers": dict(sorted(others.items())),
    }
