"""Convolutions into int8 by quantize / dequantize pairs: U8 activations, S8 weights per channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from zoo_core.errors import StageError
from zoo_onnxruntime.activations import activations
from zoo_onnxruntime.affine import FULL, REDUCED, activation, bias_integers, weights
from zoo_onnxruntime.clips import drop_idle_clips
from zoo_onnxruntime.graph import constant, replace_nodes

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto

_ROUNDING = 1e-6
"""What float32 may move the end of a range by, as a share of its width."""

Ranges = dict[str, tuple[float, float]]


def quantize(
    model: ModelProto, ranges: Ranges, floats: Collection[str], *, reduce_range: bool = False
) -> dict[str, str]:
    """Quantise every Conv but those named in `floats`, in place; the graph has opset 13 or more.

    Returns the convolutions that could not be quantised, each with the reason. What is not a
    convolution keeps reading float tensors, except the results of quantised convolutions. A ReLU or
    Clip that alone reads such a result goes away: the range that its own result is quantised in
    does its work. Raises StageError where `ranges` lacks a tensor.
    """
    return _Quantizer(model.graph, ranges, REDUCED if reduce_range else FULL).apply(floats)


class _Quantizer:
    """One pass over a graph; see `quantize`."""

    def __init__(self, graph: GraphProto, ranges: Ranges, largest: int) -> None:
        self._graph = graph
        self._ranges = ranges
        self._largest = largest
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._outputs = {value.name for value in graph.output}
        self._scales: dict[str, np.float32] = {}
        self._dequantized: dict[str, str] = {}
        self._results: set[str] = set()
        self._spans: dict[str, tuple[float, float]] = {}
        self._activations = activations(graph)
        self._idle: set[str] = set()

    def apply(self, floats: Collection[str]) -> dict[str, str]:
        nodes: list[NodeProto] = []
        left: dict[str, str] = {}
        for node in self._graph.node:
            reason = self._obstacle(node) if node.op_type == "Conv" else ""
            if reason and node.name not in floats:
                left[node.name] = reason
            if node.output[0] in self._idle:
                continue
            if node.op_type != "Conv" or node.name in floats or reason:
                nodes.append(node)
            else:
                nodes.extend(self._quantized(node))
        for node in nodes:
            self._read_dequantized(node)
        replace_nodes(self._graph, nodes)
        drop_idle_clips(self._graph, self._spans)
        return left

    def _obstacle(self, node: NodeProto) -> str:
        constants = [self._constants.get(name) for name in node.input[1:] if name]
        if any(tensor is None for tensor in constants):
            return "its weights are computed, not constant"
        if any(t and t.data_type != t.FLOAT for t in constants):
            return "its weights are not float32"
        return ""

    def _quantized(self, node: NodeProto) -> list[NodeProto]:
        source, result = node.input[0], node.output[0]
        before = [] if source in self._scales else self._pair(source)
        clamped = self._clamped(result)
        after = self._pair(clamped or result)
        if clamped:
            after[0].input[0] = result
            self._idle.add(clamped)
            self._results.add(clamped)
        elif result in self._outputs:
            node.output[0] = after[0].input[0] = f"{result}/float"
            after[1].output[0] = self._dequantized[result] = result
        else:
            self._results.add(result)
        own = self._weights(node, self._scales[source])
        inputs = [self._dequantized[source], *(pair.output[0] for pair in own)]
        node.input[: len(inputs)] = inputs
        return [*before, *own, node, *after]

    def _clamped(self, result: str) -> str | None:
        """The name of a result after the ReLU or Clip that its range does the work of, if any."""
        clamp = self._activations.get(result)
        if clamp is None or not clamp.clamps or clamp.result in self._outputs:
            return None
        seen = self._ranges.get(clamp.result) or self._ranges.get(result)
        if seen is None:
            return None
        low, high = activation(*clamp.within(*seen)).span
        slack = _ROUNDING * (high - low)
        if low < clamp.low - slack or not high <= clamp.high + slack:
            return None
        self._ranges = {**self._ranges, clamp.result: clamp.within(*seen)}
        return clamp.result

    def _weights(self, node: NodeProto, scale: np.float32) -> list[NodeProto]:
        """Nodes that dequantise the weights and the bias, if there is one."""
        kernel = numpy_helper.to_array(self._constants[node.input[1]])
        has_bias = len(node.input) > 2 and node.input[2]
        bias = numpy_helper.to_array(self._constants[node.input[2]]) if has_bias else None
        made = weights(kernel, bias, float(scale), self._largest)
        pairs = [self._constant_pair(f"{node.name}/weight", made.values, made.scales)]
        if bias is not None:
            scales = made.scales * scale
            integers = bias_integers(bias, scales)
            pairs.append(self._constant_pair(f"{node.name}/bias", integers, scales))
        return pairs

    def _pair(self, tensor: str) -> list[NodeProto]:
        """Quantise and dequantise a tensor in its range."""
        if tensor not in self._ranges:
            raise StageError(f"tensor '{tensor}' was not calibrated", next="calibrate again")
        affine = activation(*self._ranges[tensor])
        self._scales[tensor] = affine.scale
        self._dequantized[tensor] = f"{tensor}/dequantized"
        self._spans[self._dequantized[tensor]] = affine.span
        scale, zero, integers = (f"{tensor}/{part}" for part in ("scale", "zero_point", "uint8"))
        self._add(scale, np.array(affine.scale, np.float32))
        self._add(zero, np.array(affine.zero_point, np.uint8))
        there = helper.make_node(
            "QuantizeLinear", [tensor, scale, zero], [integers], name=f"{tensor}/quantize"
        )
        back = helper.make_node(
            "DequantizeLinear",
            [integers, scale, zero],
            [self._dequantized[tensor]],
            name=f"{tensor}/dequantize",
        )
        return [there, back]

    def _constant_pair(
        self,
        name: str,
        values: NDArray[np.int8] | NDArray[np.int32],
        scales: NDArray[np.float32],
    ) -> NodeProto:
        integers, scale, zero = (f"{name}/{part}" for part in ("integers", "scale", "zero_point"))
        self._add(integers, values)
        self._add(scale, scales)
        self._add(zero, np.zeros(len(scales), values.dtype))
        return helper.make_node(
            "DequantizeLinear", [integers, scale, zero], [name], name=f"{name}/dequantize", axis=0
        )

    def _read_dequantized(self, node: NodeProto) -> None:
        """Let a reader of a quantised result read it dequantised, so that it can stay int8."""
        if node.op_type == "QuantizeLinear":
            return
        for place, name in enumerate(node.input):
            if name in self._results:
                node.input[place] = self._dequantized[name]

    def _add(self, name: str, values: NDArray[np.generic]) -> None:
        self._graph.initializer.append(constant(name, values))
