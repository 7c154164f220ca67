"""The stage `compile` for int8: quantised convolutions, and what became of each."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from zoo_core.api.calibration import images, tensors
from zoo_core.errors import StageError
from zoo_core.toolkit.artefact import read_graph
from zoo_core.toolkit.machine import cpu_threads
from zoo_core.toolkit.onnx_file import load, opset, save
from zoo_onnxruntime.bias import IMAGES, correct_biases, summary
from zoo_onnxruntime.build_float import compare, take
from zoo_onnxruntime.files import EQUALISED_FILE, MODEL_FILE
from zoo_onnxruntime.precision import node_precisions, processor_warnings, write_report
from zoo_onnxruntime.quantize import quantize
from zoo_onnxruntime.rewrites.opset import LOWEST
from zoo_onnxruntime.sensitive import float_convolutions, nothing_quantised

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

    from zoo_core.api import StageContext


def build(ctx: StageContext) -> None:
    """Leave the quantised graph with artefact.json and precision.json.

    A file that is quantised already is taken as it is. Raises UsageError for a float node that does
    not exist, StageError where nothing became int8 and for a graph below opset 13.
    """
    graph = read_graph(ctx.inputs["graph"])
    if graph.facts.get("quantised"):
        take(ctx, "int8")
        return
    source, model = ctx.inputs["graph"].parent / graph.path, ctx.out / MODEL_FILE
    calibrated = json.loads(ctx.inputs["ranges"].read_text(encoding="utf-8"))
    ctx.progress(0, 3, "quantise")
    reasons, shifts = _quantize(ctx, source, calibrated["ranges"], model, graph.batch)
    ctx.progress(1, 3, "look at what ONNX Runtime makes of it")
    nodes = node_precisions(model, reasons, ctx.out)
    if not any(node.precision == "int8" for node in nodes):
        raise nothing_quantised(nodes, str(source))
    ctx.progress(2, 3, "compare with float on one image")
    image = next(tensors(ctx.inputs["images"], ctx.params["preprocess"], graph.batch))
    facts, poor = compare(ctx, graph, "int8", {graph.inputs[0].name: image})
    write_report(
        ctx.out,
        graph,
        "int8",
        nodes,
        [*processor_warnings(), *poor],
        activations="uint8, one range for a tensor",
        weights="int8, one scale for an output channel",
        calibration={k: v for k, v in calibrated.items() if k not in {"ranges", "seen"}},
        bias_correction=shifts,
        equalised=_equalised(ctx),
        **facts,
    )
    ctx.progress(3, 3)


def _quantize(
    ctx: StageContext, source: Path, ranges: dict[str, Any], target: Path, batch: int
) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Write the quantised graph; returns why convolutions stayed float, and what biases moved."""
    model = load(source)
    if opset(model) < LOWEST:
        raise StageError(
            f"int8 with a scale for each channel needs opset {LOWEST}, the graph has "
            f"{opset(model)}, and onnx cannot convert one of its operators",
            where=str(source),
            next=f"export the network again with opset {LOWEST} or more, or use --precision fp32",
        )
    floats = float_convolutions(model.graph, ctx.params["sensitive"], ctx.params["float_nodes"])
    bounds = {name: (float(low), float(high)) for name, (low, high) in ranges.items()}
    reduce_range, shifts = ctx.params["reduce_range"], None

    def quantised(each: ModelProto) -> ModelProto:
        quantize(each, bounds, floats, reduce_range=reduce_range)
        return each

    if ctx.params["bias_correction"]:
        batches = tensors(ctx.inputs["images"], ctx.params["preprocess"], batch)
        first = islice(batches, max(1, IMAGES // batch))
        model, rows = correct_biases(lambda: load(source), quantised, first, cpu_threads())
        shifts = summary(rows, min(IMAGES, len(images(ctx.inputs["images"]))))
    left = quantize(model, bounds, floats, reduce_range=reduce_range)
    save(model, target)
    return {**floats, **left}, shifts


def _equalised(ctx: StageContext) -> dict[str, Any] | None:
    """What the stage `equalise` did, where there was one."""
    listing = ctx.inputs["graph"].parent / EQUALISED_FILE
    return json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else None
