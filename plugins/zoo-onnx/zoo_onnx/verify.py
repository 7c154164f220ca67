"""The stage that holds the graph against the very file it was made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime

from zoo_core.api import Graph
from zoo_core.errors import DataError, StageError, first_line
from zoo_core.toolkit.files import file_digest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import StageContext

_SEED = 2024
_TOLERANCE = 1e-3


def verify(context: StageContext) -> None:
    """Writes verify.json: file and graph run by ONNX Runtime on one seeded input in 0..1.

    The graph also passes onnx.checker with strict shape inference, and its outputs have the shapes
    that graph.json states. `max_rel` is the largest difference divided by the largest value of the
    same output. Raises `DataError` for a broken file, `StageError` for a graph that differs.
    """
    given, model = context.inputs["weights"], context.inputs["model"]
    graph = Graph.from_data(json.loads(context.inputs["graph"].read_text(encoding="utf-8")))
    try:
        onnx.checker.check_model(str(model), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise DataError(f"is no valid ONNX: {first_line(error)}", where=given.name) from error
    context.progress(1, 3, "checked")
    feed = _feed(graph)
    expected = _run(given, graph, feed)
    context.progress(2, 3, "the file")
    found = _run(model, graph, feed)
    facts = {
        **_compare(graph, found, expected),
        "reference": f"{given.name} itself, run by ONNX Runtime {onnxruntime.__version__}",
        "same_bytes": file_digest(given) == file_digest(model),
        "checker": f"onnx {onnx.__version__}, strict shape inference",
        "input": {"shape": list(feed.shape), "seed": _SEED},
    }
    (context.out / "verify.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    context.progress(3, 3, "compared")


def _feed(graph: Graph) -> NDArray[np.float32]:
    """A batch of two where the batch is dynamic."""
    first, *rest = graph.inputs[0].shape
    shape = (first if isinstance(first, int) else 2, *(int(side) for side in rest))
    return np.random.Generator(np.random.Philox(key=_SEED)).random(shape, np.float32)


def _run(path: Path, graph: Graph, feed: NDArray[np.float32]) -> list[NDArray[Any]]:
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        found = session.run([o.name for o in graph.outputs], {graph.inputs[0].name: feed})
    except Exception as error:  # ONNX Runtime raises many classes without a common base of its own
        what = f"ONNX Runtime cannot run it: {first_line(error)}"
        raise DataError(what, where=path.name, next="export it again") from error
    return [np.asarray(array) for array in found]


def _compare(
    graph: Graph, found: list[NDArray[Any]], expected: list[NDArray[Any]]
) -> dict[str, Any]:
    rows = {}
    for spec, array, wanted in zip(graph.outputs, found, expected, strict=True):
        fits = len(spec.shape) == array.ndim and all(
            isinstance(told, str) or told == side
            for told, side in zip(spec.shape, array.shape, strict=True)
        )
        if not fits or str(array.dtype) != spec.dtype:
            told = f"{array.dtype} {list(array.shape)}, not {spec.dtype} {list(spec.shape)}"
            raise DataError(f"output '{spec.name}' is {told}, as the file states")
        same = (array == wanted) | (np.isnan(array) & np.isnan(wanted))
        gap = np.abs(np.subtract(array, wanted, where=~same, out=np.zeros(array.shape)))
        largest = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
        rows[spec.name] = {
            "max_abs": float(gap.max(initial=0)),
            "max_rel": float(gap.max(initial=0) / largest) if largest else 0.0,
            "finite": bool(np.isfinite(array).all()),
        }
    worst = max(row["max_rel"] for row in rows.values())
    if not worst <= _TOLERANCE:
        raise StageError(f"the graph differs from its file by {worst:.2g} of the largest value")
    return {
        "max_abs": max(row["max_abs"] for row in rows.values()),
        "max_rel": worst,
        "outputs": rows,
    }
