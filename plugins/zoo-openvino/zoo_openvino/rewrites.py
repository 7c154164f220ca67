"""Rewrites of a quantised graph by which OpenVINO runs an activation inside its convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openvino import opset8

if TYPE_CHECKING:
    from collections.abc import Iterator

_SATURATED = 20.0
_ACTIVATIONS = frozenset({"Mish", "PRelu", "Relu", "Clamp", "HSwish", "Swish"})
_CONVOLUTIONS = frozenset({"Convolution", "GroupConvolution"})
_PAIR = frozenset({"Convert", "Subtract", "Multiply"})


def restore_mish(model: Any) -> int:
    """Write x n / (n + 2), n = e (e + 2), e = exp(x), as the one operator Mish; how many there are.

    They are the same function: n / (n + 2) is tanh(log(1 + e^x)) (Misra 2019, arXiv:1908.08681). An
    upper bound of 20 or more on x in the exponent is left out: the ratio is 1 there. In place.
    """
    found = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Exp":
            continue
        match = _mish(node)
        if match is None:
            continue
        x, last = match
        mish = opset8.mish(x)
        mish.set_friendly_name(last.get_friendly_name())
        last.output(0).replace(mish.output(0))
        found += 1
    return found


def drop_inner_pairs(model: Any) -> int:
    """Take out what quantises a convolution's result before its activation; how many there were.

    An engine that runs both in one piece has no use for the integers between, which cost a
    pass over memory and half a step of precision. What follows is quantised still. In place.
    """
    found = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "FakeQuantize" or not _is_convolved(node.input_value(0)):
            continue
        last = _dequantised(node)
        if _is_activated(last):
            last.output(0).replace(node.input_value(0))
            found += 1
    return found


def _mish(exp: Any) -> tuple[Any, Any] | None:
    """The x of a Mish whose exponential this is, and the node that makes its result."""
    add = _reader_of(exp, "Add", 2.0)
    n = next((r for r in _readers(exp) if r.get_type_name() == "Multiply"), None)
    if add is None or n is None or len(list(_readers(exp))) != 2 or n not in list(_readers(add)):
        return None
    add2 = _reader_of(n, "Add", 2.0)
    ratio = next((r for r in _readers(n) if r.get_type_name() == "Divide"), None)
    if add2 is None or ratio is None or not _is_quotient(ratio, n, add2):
        return None
    (last,) = readers if len(readers := list(_readers(ratio))) == 1 else (None,)
    if last is None or last.get_type_name() != "Multiply":
        return None
    x = next((v for v in last.input_values() if v.get_node() != ratio), None)
    if x is None or not _is_bounded(exp.input_value(0), x):
        return None
    return x, last


def _is_quotient(node: Any, above: Any, below: Any) -> bool:
    return bool(node.input_value(0).get_node() == above and node.input_value(1).get_node() == below)


def _is_bounded(value: Any, x: Any) -> bool:
    """Whether a value is x, or x with an upper bound beyond which Mish is x."""
    if value == x:
        return True
    node = value.get_node()
    if node.get_type_name() == "Clamp" and node.input_value(0) == x:
        attributes = node.get_attributes()
        return bool(attributes["max"] >= _SATURATED and attributes["min"] < -1e30)
    if node.get_type_name() != "Minimum":
        return False
    others = [v for v in node.input_values() if v != x]
    bound = _constant(others[0]) if len(others) == 1 else None
    return bound is not None and bound >= _SATURATED


def _reader_of(node: Any, kind: str, constant: float) -> Any:
    """The reader of this kind whose other input is this constant."""
    for reader in _readers(node):
        if reader.get_type_name() == kind:
            others = [v for v in reader.input_values() if v.get_node() != node]
            if len(others) == 1 and _constant(others[0]) == constant:
                return reader
    return None


def _readers(node: Any) -> Iterator[Any]:
    for target in node.output(0).get_target_inputs():
        yield target.get_node()


def _constant(value: Any) -> float | None:
    node = value.get_node()
    if node.get_type_name() != "Constant":
        return None
    data = node.get_data()
    return float(data.reshape(-1)[0]) if data.size == 1 else None


def _is_convolved(value: Any) -> bool:
    """Whether a value is a convolution's result, with its bias or without."""
    node = value.get_node()
    if node.get_type_name() == "Add":
        node = node.input_value(0).get_node()
    return node.get_type_name() in _CONVOLUTIONS


def _is_activated(node: Any) -> bool:
    """Whether nothing but one activation reads a node: x sigmoid(x) has two readers."""
    readers = list(_readers(node))
    kinds = sorted(reader.get_type_name() for reader in readers)
    if kinds == ["Multiply", "Sigmoid"]:
        product, sigmoid = sorted(readers, key=lambda reader: str(reader.get_type_name()))
        return product in list(_readers(sigmoid))
    return bool(kinds) and set(kinds) <= _ACTIVATIONS


def _dequantised(node: Any) -> Any:
    """The last node of a quantise / dequantise pair that starts with this one."""
    while True:
        readers = list(_readers(node))
        if len(readers) != 1 or readers[0].get_type_name() not in _PAIR:
            return node
        if readers[0].get_type_name() != "Convert" and not _is_scaling(readers[0]):
            return node
        node = readers[0]


def _is_scaling(node: Any) -> bool:
    """Whether the second operand is constant, be it converted."""
    other = node.input_value(1).get_node()
    if other.get_type_name() in {"Convert", "Reshape"}:
        other = other.input_value(0).get_node()
    return bool(other.get_type_name() == "Constant")
