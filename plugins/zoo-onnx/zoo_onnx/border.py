"""The border of a graph: float32 in and out, whatever the file itself takes and gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from zoo_onnx.further import before
from zoo_onnx.nodes import inner_graphs

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, ValueInfoProto

    from zoo_onnx.image import ImageInput

_WIDENED = frozenset({TensorProto.BFLOAT16, TensorProto.DOUBLE})
_LARGEST = 255.0
_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def take_float(graph: GraphProto, value: ValueInfoProto, image: ImageInput) -> None:
    """Let the image be float32 [batch, 3, height, width] and make of it what the file takes.

    In place; the input keeps its name. Pixels of 8 bits are rounded.
    """
    if image.is_plain:
        return
    source, given = image.name, f"{image.name}/given"
    _rename_reads(graph, source, given)
    nodes: list[NodeProto] = []

    def then(kind: str, *more: str, **attributes: Any) -> None:
        last = nodes[-1].output[0] if nodes else source
        name = f"{source}/{kind.lower()}"
        nodes.append(helper.make_node(kind, [last, *more], [name], name=name, **attributes))

    if image.kind == TensorProto.UINT8:
        low, high = f"{source}/low", f"{source}/high"
        for bound, name in ((0.0, low), (_LARGEST, high)):
            graph.initializer.append(numpy_helper.from_array(np.array(bound, np.float32), name))
        then("Max", low)
        then("Min", high)
        then("Round")
    if image.kind != TensorProto.FLOAT:
        then("Cast", to=image.kind)
    if image.last:
        then("Transpose", perm=_TO_LAST)
    nodes[-1].output[0] = given
    before(graph, nodes)
    tensor = value.type.tensor_type
    tensor.elem_type = TensorProto.FLOAT
    if image.last:
        _reorder(value)


def give_float(graph: GraphProto) -> int:
    """Let outputs of bfloat16 and double be float32, in place; returns how many were."""
    makers = {name: node for node in graph.node for name in node.output}
    casts = []
    for value in graph.output:
        maker = makers.get(value.name)
        if value.type.tensor_type.elem_type not in _WIDENED or maker is None:
            continue
        own = f"{value.name}/own"
        _rename_reads(graph, value.name, own)
        maker.output[list(maker.output).index(value.name)] = own
        casts.append(
            helper.make_node("Cast", [own], [value.name], name=f"{own}/cast", to=TensorProto.FLOAT)
        )
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    graph.node.extend(casts)
    return len(casts)


def _rename_reads(graph: GraphProto, old: str, new: str) -> None:
    """Let all that read a tensor read another one, in inner graphs too."""
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new
        for inner in inner_graphs(node):
            _rename_reads(inner, old, new)


def _reorder(value: ValueInfoProto) -> None:
    """Bring the dimensions of an input from channels last to channels first."""
    shape = value.type.tensor_type.shape
    old = [type(dim).FromString(dim.SerializeToString()) for dim in shape.dim]
    del shape.dim[:]
    shape.dim.extend(old[place] for place in _TO_FIRST)
