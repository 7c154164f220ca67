"""The stage that compares a graph with the network it was made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch

from zoo_core.api import Graph
from zoo_core.errors import StageError
from zoo_tianxiaomo.params import ExportSpec, NetworkSpec
from zoo_tianxiaomo.tracing import wrapped
from zoo_tianxiaomo.weights import load_network

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import StageContext

THRESHOLD = 1e-3
"""Largest difference that passes, in parts of an output's largest value where that is above 1."""

_BATCH = 2
_SEED = 20_211_212


def verify(context: StageContext) -> None:
    """Leaves `verify.json`: max_abs and max_rel of the graph against PyTorch, by output and in all.

    Two seeded pictures run through the graph, so that a batch which was frozen shows, the second
    one through PyTorch too. max_rel is the largest difference in parts of the output's largest
    value. Raises StageError where max_abs exceeds the threshold.
    """
    graph = Graph.from_data(json.loads(context.inputs["graph"].read_text(encoding="utf-8")))
    height, width = graph.inputs[0].shape[2:]
    pictures = _pictures(int(height), int(width))
    spec = ExportSpec(
        network=NetworkSpec.from_data(context.params["network"]),
        form=graph.form,
        size=(int(height), int(width)),
        opset=graph.facts["opset"],
        scale_x_y=tuple(context.params["scale_x_y"]),
    )
    context.progress(0, 2, "PyTorch")
    expected = _by_torch(spec, context.inputs.get("weights"), pictures[1:])
    context.progress(1, 2, "ONNX Runtime")
    names = [output.name for output in graph.outputs]
    found = _by_onnxruntime(context.inputs["model"], names, pictures)
    rows = {name: _compare(name, *pair) for name, *pair in zip(names, found, expected, strict=True)}
    record = {
        "max_abs": max(row["max_abs"] for row in rows.values()),
        "max_rel": max(row["max_rel"] for row in rows.values()),
        "reference": f"PyTorch {torch.__version__}, zoo's definition of the network",
        "engine": f"ONNX Runtime {onnxruntime.__version__}",
        "input": {"seed": _SEED, "shape": list(pictures.shape)},
        "threshold": THRESHOLD,
        "per_output": rows,
    }
    (context.out / "verify.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    _evaluation_stage(rows)
    context.progress(2, 2, "verified")


def _pictures(height: int, width: int) -> NDArray[np.float32]:
    """Coloured patches of 32 pixels under noise, float32 [2, 3, H, W] in 0..1."""
    bits = np.random.Philox(key=_SEED)
    rows, columns = height // 32, width // 32
    patches = _uniform(bits, (_BATCH, 3, rows, columns)).repeat(32, 2).repeat(32, 3)
    return 0.6 * patches + 0.4 * _uniform(bits, (_BATCH, 3, height, width))


def _uniform(bits: np.random.Philox, shape: tuple[int, ...]) -> NDArray[np.float32]:
    words: NDArray[Any] = bits.random_raw(int(np.prod(shape))) >> np.uint64(40)
    return (words * np.float64(2.0**-24)).astype(np.float32).reshape(shape)


def _by_torch(
    spec: ExportSpec, weights: Path | None, pictures: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    module = wrapped(load_network(spec.network, weights), spec)
    with torch.inference_mode():
        return [output.numpy() for output in module(torch.from_numpy(pictures))]


def _by_onnxruntime(
    path: Path, names: list[str], pictures: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: pictures}
    outputs: list[NDArray[np.float32]] = session.run(names, feed)
    return outputs


def _compare(
    name: str, found: NDArray[np.float32], expected: NDArray[np.float32]
) -> dict[str, float]:
    if found.shape != (_BATCH, *expected.shape[1:]):
        what = f"output '{name}' has shape {found.shape}, the network gives {expected.shape} for 1"
        raise StageError(what)
    found = found[1:]
    finite = np.isfinite(expected)
    if not finite.any() or not np.array_equal(finite, np.isfinite(found)):
        raise StageError(f"output '{name}' is not finite where the network's is, or the reverse")
    reference = expected[finite].astype(np.float64)
    largest = float(np.abs(reference).max())
    difference = float(np.abs(found[finite] - reference).max())
    return {
        "max_abs": difference,
        "max_rel": difference / max(largest, 1e-12),
        "largest": largest,
        "not_finite": int(finite.size - finite.sum()),
    }


def _evaluation_stage(rows: dict[str, dict[str, float]]) -> None:
    for name, row in rows.items():
        allowed = THRESHOLD * max(1.0, row["largest"])
        if not row["max_abs"] <= allowed:
            raise StageError(
                f"output '{name}' of the graph differs by {row['max_abs']:.2e} from the network, "
                f"allowed is {allowed:.2e}",
                next="choose another opset in the card, or report this",
            )
