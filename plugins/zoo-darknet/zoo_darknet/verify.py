"""The stage that holds a graph against the network it was made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch

from zoo_core.api import Graph
from zoo_core.errors import DataError, StageError
from zoo_darknet.boxes import Decoded
from zoo_darknet.network_file import build_network

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import StageContext

    Arrays = list[NDArray[np.float32]]

_SEED = 2024
_BATCH = 2
_TOLERANCE = 1e-3
_REFERENCE = "PyTorch"


def verify(context: StageContext) -> None:
    """Writes verify.json: the largest differences between ONNX Runtime and PyTorch.

    Both see one seeded batch of two, uniform in 0..1. `max_rel` is the largest difference divided
    by the largest value of the same output. Raises `StageError` above a thousandth of that,
    `DataError` where the network itself gives values that are not finite.
    """
    text = context.inputs["graph"].read_text(encoding="utf-8")
    graph = Graph.from_data(json.loads(text))
    extent = [side for side in graph.inputs[0].shape if isinstance(side, int)]
    feed = np.random.Generator(np.random.Philox(key=_SEED)).random((_BATCH, *extent), np.float32)
    expected = _by_torch(context, graph, feed)
    context.progress(1, 2, _REFERENCE)
    found = _by_onnxruntime(context.inputs["model"], graph, feed)
    rows = {
        spec.name: _compare(spec.name, *pair)
        for spec, *pair in zip(graph.outputs, found, expected, strict=True)
    }
    facts = {
        "max_abs": max(row["max_abs"] for row in rows.values()),
        "max_rel": max(row["max_rel"] for row in rows.values()),
        "reference": f"{_REFERENCE} {torch.__version__}",
        "runtime": f"ONNX Runtime {onnxruntime.__version__}",
        "input": {"shape": list(feed.shape), "seed": _SEED},
        "outputs": rows,
    }
    (context.out / "verify.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    context.progress(2, 2, "compared")


def _by_torch(context: StageContext, graph: Graph, feed: NDArray[np.float32]) -> Arrays:
    network = build_network(context.inputs, context.params)
    module = Decoded(network).eval() if graph.form == "e2e" else network
    with torch.no_grad():
        outputs = module(torch.from_numpy(feed))
    arrays: Arrays = [output.numpy() for output in outputs]
    if graph.form == "heads" and not all(np.isfinite(array).all() for array in arrays):
        raise DataError(
            "the network gives values that are not finite",
            where=str(context.inputs.get("weights", "random weights")),
            next="check that the .weights belong to the .cfg",
        )
    return arrays


def _by_onnxruntime(model: Path, graph: Graph, feed: NDArray[np.float32]) -> Arrays:
    session: Any = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [spec.name for spec in graph.outputs]
    arrays: Arrays = session.run(names, {graph.inputs[0].name: feed})
    return arrays


def _compare(
    name: str, found: NDArray[np.float32], expected: NDArray[np.float32]
) -> Mapping[str, float]:
    if found.shape != expected.shape:
        raise StageError(f"output {name} is {found.shape}, the network gives {expected.shape}")
    alike = (found == expected) | (np.isnan(found) & np.isnan(expected))
    difference = np.where(
        alike, 0, np.abs(np.where(alike, 0, found) - np.where(alike, 0, expected))
    )
    largest = float(difference.max(initial=0))
    finite = np.abs(expected[np.isfinite(expected)])
    relative = largest / max(float(finite.max(initial=0)), 1e-30)
    if not relative <= _TOLERANCE:
        raise StageError(
            f"output {name} differs from the network's by {largest:.3g} ({relative:.3g} of it)",
            next="report this: the exporter made a wrong graph",
        )
    return {"max_abs": largest, "max_rel": relative}
