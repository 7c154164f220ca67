"""The stage `verify`: an exported ONNX graph against the network that it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import DataError, StageError, first_line
from zoo_core.toolkit.artefact import read_graph
from zoo_core.toolkit.files import write_json
from zoo_core.toolkit.similarity import SEED, rounded, seeded_feeds, snr_db

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Graph, StageContext, TensorSpec

    Feeds = Mapping[str, NDArray[Any]]
    Arrays = Sequence[NDArray[Any]]

VERIFY_FILE = "verify.json"
TOLERANCE = 1e-3
"""Largest difference that passes, as a fraction of an output's largest magnitude."""

_BATCH = 2


def verify_graph(
    context: StageContext,
    reference: str,
    run: Callable[[Graph, Feeds], Arrays],
    *,
    finite: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Leaves `verify.json`: max_abs, max_rel and SNR of each output, against `reference`.

    ONNX Runtime runs `inputs["model"]` on a seeded batch of two, or of the graph's fixed size.
    `run` returns the reference's outputs in the graph's order, for the whole batch or for its last
    samples: a batch that the export has frozen shows in both. With `finite` every value of raw
    heads, and some value of each decoded output, must be finite. `facts` are added to the record.

    Raises `DataError` for a reference whose values are not finite and for outputs that are not
    those of `graph.json`, `StageError` for a difference above the tolerance.
    """
    graph = read_graph(context.inputs["graph"])
    feeds = seeded_feeds(graph.inputs, _BATCH)
    context.progress(0, 2, reference)
    expected = run(graph, feeds)
    if finite:
        _check_finite(graph, expected, str(context.inputs.get("weights", "random weights")))
    context.progress(1, 2, "ONNX Runtime")
    outputs, engine = run_onnx(context.inputs["model"], graph, feeds)
    rows = {
        spec.name: _compare(spec, *pair)
        for spec, *pair in zip(graph.outputs, outputs, expected, strict=True)
    }
    record = {
        **{name: max(row[name] for row in rows.values()) for name in ("max_abs", "max_rel")},
        "reference": reference,
        "engine": engine,
        "input": {"shape": next(list(array.shape) for array in feeds.values()), "seed": SEED},
        "tolerance": TOLERANCE,
        "outputs": rows,
        **(facts or {}),
    }
    write_json(context.out / VERIFY_FILE, record)
    _check_rows(rows)
    context.progress(2, 2, "verified")


def run_onnx(model: Path, graph: Graph, feeds: Feeds) -> tuple[list[NDArray[Any]], str]:
    """The graph's outputs by ONNX Runtime, almost unoptimised, and the engine with its version.

    Raises `DataError` for a file that ONNX Runtime does not run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        outputs = session.run([spec.name for spec in graph.outputs], dict(feeds))
    except Exception as error:  # ONNX Runtime raises many classes without a common base of its own
        what = f"ONNX Runtime cannot run it: {first_line(error)}"
        raise DataError(what, where=model.name, next="export it again") from error
    return [np.asarray(array) for array in outputs], f"ONNX Runtime {onnxruntime.__version__}"


def _compare(spec: TensorSpec, output: NDArray[Any], expected: NDArray[Any]) -> dict[str, Any]:
    if not spec.fits(output.shape, str(output.dtype)):
        actual = f"{output.dtype} {list(output.shape)}, not {spec.dtype} {list(spec.shape)}"
        raise DataError(f"output '{spec.name}' is {actual}, as the file states")
    if output.shape[1:] != expected.shape[1:]:
        shapes = f"{list(output.shape)}, the network's is {list(expected.shape)}"
        raise StageError(f"output '{spec.name}' is {shapes}")
    output = output[-len(expected) :] if output.ndim else output
    same = (output == expected) | (np.isnan(output) & np.isnan(expected))
    gap = np.subtract(output, expected, where=~same, out=np.zeros(output.shape))
    largest = float(np.abs(expected[np.isfinite(expected)]).max(initial=0))
    worst = float(np.abs(gap).max(initial=0))
    return {
        "max_abs": worst,
        "max_rel": worst / max(largest, 1e-30),
        "snr_db": rounded([snr_db(expected, output)])[0],
        "largest": largest,
        "not_finite": int(np.count_nonzero(~np.isfinite(expected))),
    }


def _check_finite(graph: Graph, outputs: Arrays, where: str) -> None:
    demand = np.all if graph.form == "heads" else np.any
    if not all(demand(np.isfinite(array)) for array in outputs):
        raise DataError(
            "the network gives values that are not finite",
            where=where,
            next="check that the weights belong to the network",
        )


def _check_rows(rows: Mapping[str, Mapping[str, Any]]) -> None:
    for name, row in rows.items():
        if not row["max_rel"] <= TOLERANCE:
            raise StageError(
                f"output '{name}' of the graph differs by {row['max_abs']:.2e} from the network, "
                f"allowed is {TOLERANCE * row['largest']:.2e}",
                next="choose another opset in the card, or report this",
            )
