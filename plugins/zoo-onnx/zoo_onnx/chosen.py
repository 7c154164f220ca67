"""Non-maximum suppression that a file does itself, whatever a protocol says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import numpy_helper

from zoo_onnx.nodes import inner_graphs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import GraphProto, ModelProto

_IOU, _SCORE = 3, 4
"""Inputs of the operator NonMaxSuppression."""


def warnings(model: ModelProto, where: str) -> list[str]:
    """One sentence for each pair of thresholds at which a file suppresses boxes."""
    found = dict.fromkeys(_thresholds(model.graph))
    return [
        f"{where}: does NMS itself, {text}; boxes that it drops no protocol brings back, whatever "
        "its conf and nms say"
        for text in found
    ]


def _thresholds(graph: GraphProto) -> Iterator[str]:
    values = {each.name: each for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            values[node.output[0]] = node.attribute[0].t
        if node.op_type == "NonMaxSuppression":
            parts = []
            for place, word in ((_IOU, "at IoU"), (_SCORE, "of scores above")):
                given = list(node.input)[place : place + 1]
                if given and given[0] in values:
                    number = float(np.ravel(numpy_helper.to_array(values[given[0]]))[0])
                    parts.append(f"{word} {number:g}")
            yield " ".join(parts) or "at thresholds that it computes"
        for inner in inner_graphs(node):
            yield from _thresholds(inner)
