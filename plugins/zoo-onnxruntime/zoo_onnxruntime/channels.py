"""Statistics of each channel of tensors, computed inside the graph so that no tensor is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from zoo_core.errors import StageError
from zoo_onnxruntime.engine import BASIC, open_session, run
from zoo_onnxruntime.graph import live_nodes, replace_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from onnx import ModelProto

    ByName = dict[str, NDArray[np.float64]]

_MEAN, _PEAK = "GlobalAveragePool", "GlobalMaxPool"


def channel_peaks(
    model: ModelProto, names: Sequence[str], images: Iterable[NDArray[Any]], threads: int
) -> ByName:
    """The highest value and the lowest, negated, of each channel; uses the model up.

    [2, C] for each tensor, as means over images.
    """
    found = _pooled(model, names, images, threads, {"high": _PEAK, "low": _PEAK})
    return {n: np.stack([found[f"{n}/high"], found[f"{n}/low"]]) for n in names}


def channel_means(
    model: ModelProto, names: Sequence[str], images: Iterable[NDArray[Any]], threads: int
) -> ByName:
    """The mean of each channel, [C], over images and places; uses the model up."""
    found = _pooled(model, names, images, threads, {"mean": _MEAN})
    return {name: found[f"{name}/mean"] for name in names}


def _pooled(
    model: ModelProto,
    names: Sequence[str],
    images: Iterable[NDArray[Any]],
    threads: int,
    kinds: dict[str, str],
) -> ByName:
    """Global pooling of each tensor [N, C, H, W], `low` of its negative, averaged over images."""
    graph = model.graph
    wanted, nodes = [], list(graph.node)
    for name in names:
        for kind, operator in kinds.items():
            source = name
            if kind == "low":
                source = f"{name}/negative"
                nodes.append(helper.make_node("Neg", [name], [source], name=source))
            wanted.append(f"{name}/{kind}")
            nodes.append(helper.make_node(operator, [source], wanted[-1:], name=wanted[-1]))
    replace_nodes(graph, live_nodes(nodes, wanted))
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted
    )
    session = open_session(model.SerializeToString(), threads, level=BASIC)
    (entry,) = (value.name for value in session.get_inputs())
    sums: ByName = {}
    count = 0
    for image in images:
        made = run(session, wanted, {entry: image})
        for name, values in zip(wanted, made, strict=True):
            rows = values.astype(np.float64).reshape(*values.shape[:2], -1).mean(axis=2)
            sums[name] = sums.get(name, np.zeros(rows.shape[1])) + rows.sum(axis=0)
        count += len(image)
    if not count:
        raise StageError("there is no image to look at")
    return {name: values / count for name, values in sums.items()}
