"""The stage `verify`: an exported ONNX graph against the network that it was made from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import DataError, StageError, UnavailableError, first_line
from zoo_core.toolkit.artefact import read_graph
from zoo_core.toolkit.files import write_json
from zoo_core.toolkit.machine import cpu_threads
from zoo_core.toolkit.onnx_file import mapped
from zoo_core.toolkit.similarity import (
    LIMITS_DB,
    SEED,
    by_output,
    poor,
    ratios_db,
    rounded,
    seeded_feeds,
    snr_db,
)

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

_ENGINES_DB = 10.0
"""How much more than the last bit of its input an engine's own order of sums may move a network."""

_BATCH = 2
_FATAL = 4
"""ONNX Runtime's level of messages that are not printed: what goes wrong is raised as well."""

_EXTERNAL = "session.model_external_initializers_file_folder_path"
_SMALL = 1 << 15
"""Values of an input up to which onnx.reference, which is slow, runs a network."""

_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_LACKING = (
    "is not a registered function/op",
    "No Op registered for",
    "Could not find an implementation for",
    "Unsupported model IR version",
    "is under development and support for this is limited",
    "NOT_IMPLEMENTED",
    "not supported",
)
"""What ONNX Runtime says of a graph that it cannot run, though it may be sound."""


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
    heads, and some of each decoded output, must be finite. The record has `facts` too, of which
    `tolerance` replaces the usual one.

    Raises `DataError` for a reference whose values are not finite and for outputs that are not
    those of `graph.json`, `StageError` for a difference above the tolerance. Where an operator is
    missing here the file has a warning, and null for the differences.
    """
    graph = read_graph(context.inputs["graph"])
    feeds = seeded_feeds(graph.inputs, _BATCH)
    record: dict[str, Any] = {
        **dict.fromkeys(("max_abs", "max_rel")),
        "reference": reference,
        "input": {"shape": next(list(array.shape) for array in feeds.values()), "seed": SEED},
        "tolerance": TOLERANCE,
        "outputs": {},
        "warnings": [],
        **(facts or {}),
    }
    context.progress(0, 2, reference)
    try:
        expected = run(graph, feeds)
        if finite:
            _check_finite(graph, expected, str(context.inputs.get("weights", "random weights")))
        context.progress(1, 2, "ONNX Runtime")
        outputs, record["engine"] = run_onnx(context.inputs["model"], graph, feeds)
    except UnavailableError as error:
        record["warnings"] = [f"the export is not verified: {error.what}"]
        write_json(context.out / VERIFY_FILE, record)
        return
    trios = zip(graph.outputs, outputs, expected, strict=True)
    record["outputs"] = rows = {spec.name: _compare(spec, *pair) for spec, *pair in trios}
    record |= {name: max(row[name] for row in rows.values()) for name in ("max_abs", "max_rel")}
    write_json(context.out / VERIFY_FILE, record)
    _check_rows(rows, record["tolerance"])
    context.progress(2, 2, "verified")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a graph means on some feeds, whatever an engine makes of it.

    `outputs` are None where nothing here can tell; `engine` says what computed them, or why not.
    `nudged` computes them again for feeds that differ in their last bit.
    """

    outputs: list[NDArray[Any]] | None
    engine: str
    nudged: Callable[[], list[NDArray[Any]]] | None = None

    @classmethod
    def of(cls, listing: Path, feeds: Feeds) -> Meaning:
        """For the graph at `graph.json`; what does not run here may still run on the engine."""
        graph = read_graph(listing)
        model = listing.parent / graph.path
        near = {name: np.nextafter(array, np.float32(np.inf)) for name, array in feeds.items()}
        try:
            outputs, engine = run_onnx(model, graph, feeds)
            return cls(outputs, engine, lambda: run_onnx(model, graph, near)[0])
        except (DataError, UnavailableError) as error:
            return cls(None, error.what)

    def compare(
        self, precision: str, graph: Graph, outputs: Arrays
    ) -> tuple[dict[str, Any], list[str]]:
        """How near an engine's outputs are, for precision.json: facts and warnings.

        Every engine rounds the integers of a file that is quantised already in its own way: the
        limit for it is that of int8. A float engine is not at fault for what the last bit of the
        image moves as much.
        """
        quantised = graph.facts.get("quantised")
        facts = {"quantised": quantised} if quantised else {}
        if self.outputs is None:
            return facts, [f"{precision}: not compared with what the graph means: {self.engine}"]
        ratios = ratios_db(self.outputs, outputs)
        facts |= {"output_snr_db": by_output(graph, ratios), "compared_with": self.engine}
        limit = LIMITS_DB["int8"] if quantised else LIMITS_DB.get(precision)
        if self.nudged and precision == "fp32" and limit and min(ratios) < limit:
            spread = min(ratios_db(self.outputs, self.nudged()))
            (facts["last_bit_db"],) = rounded([spread])
            limit = min(limit, max(spread - _ENGINES_DB, LIMITS_DB["fp16"]))
        return facts, poor(precision, graph, ratios, limit)


def run_onnx(model: Path, graph: Graph, feeds: Feeds) -> tuple[list[NDArray[Any]], str]:
    """The graph's outputs by ONNX Runtime without optimisation, and the engine with its version.

    What ONNX Runtime lacks an operator of is run by onnx.reference if its input is small. Raises
    `UnavailableError` where neither has all operators, `DataError` for a file that does not run.
    """
    import onnxruntime

    named = mapped(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = cpu_threads()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry(_EXTERNAL, str(named.folder))
    names = [spec.name for spec in graph.outputs]
    try:
        session = onnxruntime.InferenceSession(
            named.model, options, providers=["CPUExecutionProvider"]
        )
        outputs = session.run(names, dict(feeds))
    except Exception as error:  # ONNX Runtime raises many classes without a common base of its own
        reason = _PREFIX.sub("", first_line(error))
        if any(text in str(error) for text in _LACKING):
            return _by_reference(model, names, feeds, reason)
        what = f"ONNX Runtime cannot run it: {reason}"
        raise DataError(what, where=model.name, next="export it again") from error
    engine = f"ONNX Runtime {onnxruntime.__version__} without optimisation"
    return [np.asarray(array) for array in outputs], engine


def _by_reference(
    model: Path, names: list[str], feeds: Feeds, reason: str
) -> tuple[list[NDArray[Any]], str]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    size = sum(array.size for array in feeds.values())
    try:
        if size > _SMALL:
            raise NotImplementedError(f"its input of {size} values is too large for onnx.reference")
        outputs: Any = ReferenceEvaluator(str(model)).run(names, dict(feeds))
    except Exception as error:  # onnx.reference raises whatever its operators raise
        what = f"ONNX Runtime lacks an operator ({reason}), and so does onnx.reference"
        if size > _SMALL:
            what = f"ONNX Runtime lacks an operator ({reason}), and {error}"
        raise UnavailableError(what, where=model.name) from error
    return [np.asarray(array) for array in outputs], f"onnx.reference {onnx.__version__}"


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


def _check_rows(rows: Mapping[str, Mapping[str, Any]], tolerance: float) -> None:
    for name, row in rows.items():
        if not row["max_rel"] <= tolerance:
            raise StageError(
                f"output '{name}' of the graph differs by {row['max_abs']:.2e} from the network, "
                f"allowed is {tolerance * row['largest']:.2e}",
                next="choose another opset in the card, or report this",
            )
