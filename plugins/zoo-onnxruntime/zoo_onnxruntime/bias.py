"""Correction of biases: what quantising moves the mean of a channel by is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import numpy_helper

from zoo_onnxruntime.beside import merge, result_alone
from zoo_onnxruntime.channels import channel_means
from zoo_onnxruntime.graph import constants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import ModelProto

IMAGES = 16
"""How many images the means are taken over: a channel has thousands of values in each."""

_NAMED = 3


def correct_biases(
    load: Callable[[], ModelProto],
    quantised: Callable[[ModelProto], ModelProto],
    images: Iterable[NDArray[Any]],
    threads: int,
) -> tuple[ModelProto, list[dict[str, Any]]]:
    """The float model with biases that make up for what int8 moves, and by how much each was.

    Of each output channel E[y~] - E[y] is taken from the bias, with y the float convolution and y~
    the quantised one on the same input, the mean over images and places: the empirical form of
    Nagel et al. 2019 (arXiv:1906.04721, section 4.2), one layer at a time on float activations, so
    that no layer makes up for another. Convolutions without a bias stay.
    """
    merged, other = load(), quantised(load())
    nodes = {n.name: n for n in merged.graph.node if n.op_type == "Conv" and len(n.input) > 2}
    merge(merged, other)
    alone = result_alone(merged.graph)
    pairs = {nodes[name].output[0]: tensor for name, tensor in alone.items() if name in nodes}
    names = [each for pair in pairs.items() for each in pair]
    means = channel_means(merged, names, images, threads)
    model = load()
    known, rows = constants(model.graph), []
    for node in model.graph.node:
        own = pairs.get(node.output[0]) if node.name in alone else None
        if own is None:
            continue
        shift = means[own] - means[node.output[0]]
        bias = known[node.input[2]]
        values = (numpy_helper.to_array(bias) - shift).astype(np.float32)
        bias.CopyFrom(numpy_helper.from_array(values, bias.name))
        rows.append({"convolution": node.name, "largest_shift": float(np.abs(shift).max())})
    return model, rows


def summary(rows: Sequence[Mapping[str, Any]], images: int) -> dict[str, Any]:
    """For precision.json: how many were corrected, and the three that moved most."""
    most = sorted(rows, key=lambda row: -float(row["largest_shift"]))[:_NAMED]
    return {"convolutions": len(rows), "images": images, "most": most}
