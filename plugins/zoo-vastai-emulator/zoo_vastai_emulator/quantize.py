"""Simulated int8: 8-bit inputs and weights of convolutions, computed with in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoo_vastai_emulator.network import prepend, session
from zoo_vastai_emulator.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import ModelProto

    Feeds = Mapping[str, NDArray[Any]]


def observe(model: ModelProto, samples: Iterable[Feeds], work: Path, is_max: bool) -> NDArray[Any]:
    """Least and largest value at the input of each convolution, float64 [convolutions' inputs, 2].

    Over all samples where `is_max`, else their mean over samples, which leaves outliers out as the
    vendor's other modes do. One sample is in memory at a time, and of it only the extrema.
    """
    names = activations(model)
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    for index, name in enumerate(names):
        for op in ("ReduceMin", "ReduceMax"):
            output = f"zoo/{op}/{index}"
            probe.graph.node.append(helper.make_node(op, [name], [output], output, keepdims=0))
            probe.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    path = work / "observe.onnx"
    onnx.save(probe, str(path))
    del probe
    runner = session(path)
    seen = [np.reshape(runner.run(None, dict(feeds)), (-1, 2)) for feeds in samples]
    if not seen or not names:
        raise RefusedError("int8: no convolution to quantise, or no sample to calibrate with")
    stacked = np.asarray(seen, np.float64)
    if is_max:
        return np.stack([stacked[..., 0].min(0), stacked[..., 1].max(0)], 1)
    return np.asarray(stacked.mean(0))


def activations(model: ModelProto) -> list[str]:
    """Names of what goes into convolutions, each once."""
    return list(dict.fromkeys(node.input[0] for node in _convolutions(model)))


def quantise(model: ModelProto, ranges: NDArray[Any], per_channel: bool) -> int:
    """Make the convolutions of a graph int8, in place; returns how many they are.

    Inputs are unsigned with a zero point, weights signed and symmetric, per output channel or
    per tensor.
    """
    renamed = {}
    nodes: dict[str, list[Any]] = {}
    for name, (low, high) in zip(activations(model), ranges, strict=True):
        nodes[name] = _round_trip(model, name, float(low), float(high))
        renamed[name] = f"{name}/int8"
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    front: list[Any] = []
    for node in _convolutions(model):
        node.input[0] = renamed[node.input[0]]
        if node.input[1] in weights:
            front.extend(_small(model, weights.pop(node.input[1]), per_channel))
    _place(model, nodes)
    prepend(model, front)
    return len(_convolutions(model))


def _convolutions(model: ModelProto) -> list[Any]:
    return [node for node in model.graph.node if node.op_type == "Conv"]


def _round_trip(model: ModelProto, name: str, low: float, high: float) -> list[Any]:
    """QuantizeLinear and DequantizeLinear of an activation."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / 255 or 1.0)
    zero = np.uint8(np.clip(round(-low / float(scale)), 0, 255))
    limits = [f"{name}/scale", f"{name}/zero"]
    for label, value in zip(limits, (scale, zero), strict=True):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), label))
    short = f"{name}/u8"
    return [
        helper.make_node("QuantizeLinear", [name, *limits], [short], short),
        helper.make_node("DequantizeLinear", [short, *limits], [f"{name}/int8"], f"{name}/int8"),
    ]


def _small(model: ModelProto, tensor: Any, per_channel: bool) -> list[Any]:
    """Store a weight as int8 with its scales; Cast and Mul give it back, in every opset."""
    values = numpy_helper.to_array(tensor)
    axes = tuple(range(1, values.ndim)) if per_channel else None
    largest = np.abs(values).max(axis=axes, keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    name = tensor.name
    stored = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
    tensor.CopyFrom(numpy_helper.from_array(stored, f"{name}/s8"))
    model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}/scale"))
    wide = f"{name}/wide"
    return [
        helper.make_node("Cast", [f"{name}/s8"], [wide], wide, to=TensorProto.FLOAT),
        helper.make_node("Mul", [wide, f"{name}/scale"], [name], f"{name}/int8"),
    ]


def _place(model: ModelProto, nodes: Mapping[str, list[Any]]) -> None:
    """Each pair right behind what makes its tensor, so that the order stays topological."""
    outputs = {output for node in model.graph.node for output in node.output}
    ordered = [pair for name, both in nodes.items() if name not in outputs for pair in both]
    for node in model.graph.node:
        ordered.append(node)
        for output in node.output:
            ordered.extend(nodes.get(output, []))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del model.graph.node[:]
    model.graph.node.extend(copies)
