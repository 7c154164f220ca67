"""The activation that follows a convolution, and what part of the convolution's result it uses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import numpy_helper

from zoo_onnxruntime.graph import constants, consumers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto, TensorProto

    Values = NDArray[np.float64]
    Function = Callable[[Values], Values]

_FLAT = -8.0
"""Below it SiLU and Mish are within 0.003 of zero, a hundredth of their least values."""


@dataclass(frozen=True, slots=True)
class Activation:
    """A function of one value, and the range of x outside which it hardly changes.

    `result` is the tensor that holds it. A `homogeneous` one has f(s x) = s f(x) for s > 0; what
    `clamps` is the identity between `low` and `high` and constant outside.
    """

    name: str
    result: str
    low: float
    high: float
    function: Function
    homogeneous: bool = False
    clamps: bool = False

    def within(self, low: float, high: float) -> tuple[float, float]:
        """The part of a range that makes a difference; zero stays in it."""
        return max(low, min(self.low, 0.0)), min(high, max(self.high, 0.0))


def activations(graph: GraphProto) -> dict[str, Activation]:
    """The result of each convolution that nothing but one activation reads -> that activation.

    SiLU is found as x sigmoid(x), Mish as `rewrites.mish` writes it. What is an output of the graph
    is read by others too.
    """
    read, known = consumers(graph), constants(graph)
    outputs = {value.name for value in graph.output}
    found = {}
    for node in graph.node:
        result = node.output[0]
        if node.op_type == "Conv" and result not in outputs:
            activation = _activation(result, read, known)
            if activation is not None:
                found[result] = activation
    return found


def silu(x: Values) -> Values:
    """The function x / (1 + exp(-x)) (Elfwing et al. 2017, arXiv:1702.03118)."""
    made: Values = x / (1 + np.exp(-np.maximum(x, -700.0)))
    return made


def mish(x: Values) -> Values:
    """The function x tanh(log(1 + exp(x))) (Misra 2019, arXiv:1908.08681)."""
    made: Values = x * np.tanh(np.logaddexp(0.0, x))
    return made


def _activation(
    x: str, read: Mapping[str, Sequence[NodeProto]], known: Mapping[str, TensorProto]
) -> Activation | None:
    readers = sorted(read.get(x, ()), key=lambda node: str(node.op_type))
    kinds = [node.op_type for node in readers]
    if len(readers) == 1:
        return _single(readers[0], known)
    if len(readers) != 2 or "Mul" not in kinds:
        return None
    if kinds == ["Mul", "Mul"]:
        return _scaled(readers, read, known)
    product, other = sorted(readers, key=lambda node: bool(node.op_type != "Mul"))
    after = read.get(other.output[0], ())
    if other.op_type == "Sigmoid" and list(after) == [product]:
        return Activation("SiLU", product.output[0], _FLAT, math.inf, silu)
    if other.op_type == "Clip" and [node.op_type for node in after] == ["Exp"]:
        return Activation("Mish", product.output[0], _FLAT, math.inf, mish)
    return None


def _scaled(
    readers: Sequence[NodeProto],
    read: Mapping[str, Sequence[NodeProto]],
    known: Mapping[str, TensorProto],
) -> Activation | None:
    """A SiLU x sigmoid(f x) with constant factors f > 0 of channels, as `equalise` writes it."""
    for inner, product in (readers, readers[::-1]):
        sigmoids = read.get(inner.output[0], ())
        factor = known.get(inner.input[1])
        if factor is None or [node.op_type for node in sigmoids] != ["Sigmoid"]:
            continue
        smallest = float(numpy_helper.to_array(factor).min())
        if list(read.get(sigmoids[0].output[0], ())) == [product] and smallest > 0:
            low = _FLAT / smallest
            return Activation("scaled SiLU", product.output[0], low, math.inf, lambda x: x)
    return None


def _single(node: NodeProto, known: Mapping[str, TensorProto]) -> Activation | None:
    name, result = node.op_type, node.output[0]
    if name == "Relu":
        return Activation(name, result, 0.0, math.inf, _between(0.0, math.inf), True, True)
    if name == "LeakyRelu":
        slope = next((a.f for a in node.attribute if a.name == "alpha"), 0.01)
        leaky: Function = lambda x: np.where(x < 0, slope * x, x)  # noqa: E731
        return Activation(name, result, -math.inf, math.inf, leaky, slope >= 0)
    if name == "HardSwish":
        return Activation(name, result, -3.0, math.inf, lambda x: x * np.clip(x / 6 + 0.5, 0, 1))
    if name == "Clip":
        low, high = (_bound(node, place, known) for place in (1, 2))
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        if low <= 0 <= high:
            same = low == 0 and math.isinf(high)
            return Activation(name, result, low, high, _between(low, high), same, True)
    return None


def _bound(node: NodeProto, place: int, known: Mapping[str, TensorProto]) -> float | None:
    """A bound of a Clip, None where there is none; NaN where it is computed."""
    if len(node.input) <= place or not node.input[place]:
        return None
    tensor = known.get(node.input[place])
    return float(numpy_helper.to_array(tensor)) if tensor is not None else math.nan


def _between(low: float, high: float) -> Function:
    def clamp(x: Values) -> Values:
        return np.asarray(np.clip(x, low, high))

    return clamp
