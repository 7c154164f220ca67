"""The stage `compile` for int8: the quantised ONNX file, rewritten and in OpenVINO's own format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import openvino as ov

from zoo_core.api.calibration import tensors
from zoo_core.errors import StageError
from zoo_core.toolkit.artefact import (
    PRECISION_FILE,
    quantised_already,
    read_artefact,
    read_graph,
    write_artefact,
)
from zoo_core.toolkit.machine import cpu_features, cpu_threads, has_int8_dot
from zoo_core.toolkit.similarity import drawn_feeds
from zoo_openvino.engine import Setting, capabilities, computing, read, stage_errors
from zoo_openvino.files import FORMATS, MODEL_FILE
from zoo_openvino.options import known_device
from zoo_openvino.precision import layers, node_precisions, report
from zoo_openvino.trial import REWRITES, Bench, Judged, Tried, rewrite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Graph, StageContext
    from zoo_core.toolkit.artefact import Artefact

_STEPS = 3
_KEPT = ("activations", "weights", "calibration", "bias_correction", "equalised")


def build(ctx: StageContext) -> None:
    """Leave the rewritten model with artefact.json and precision.json.

    Raises StageError where OpenVINO runs no convolution in int8, unless the file was quantised by
    another program.
    """
    graph = read_graph(ctx.inputs["graph"])
    quantised = read_artefact(ctx.inputs["artefact"].parent, FORMATS)
    earlier = json.loads((quantised.model.parent / PRECISION_FILE).read_text(encoding="utf-8"))
    ctx.progress(0, _STEPS, "the graph's meaning")
    bench = _bench(ctx, graph, quantised)
    ctx.progress(1, _STEPS, "rewrite and compare")
    asked = ctx.params["rewrites"] == "all" and "quantised" not in graph.facts
    names = [name for name, _ in REWRITES] if asked else []
    judged, tried = rewrite(read(quantised.model), bench, names, _known(earlier, graph))
    ctx.progress(2, _STEPS, "write")
    with stage_errors("OpenVINO cannot write the model", str(ctx.out)):
        ov.save_model(judged.model, ctx.out / MODEL_FILE, compress_to_fp16=False)
    write_artefact(ctx.out, (FORMATS[0], MODEL_FILE), graph, _report(earlier, bench, judged, tried))
    ctx.progress(_STEPS, _STEPS)


def _known(earlier: Mapping[str, Any], graph: Graph) -> list[float] | None:
    """What the quantising compiler measured of each output on the same image, if it did."""
    ratios = earlier.get("output_snr_db", {})
    known = [ratios.get(spec.name) for spec in graph.outputs]
    return None if None in known else known


def _bench(ctx: StageContext, graph: Graph, quantised: Artefact) -> Bench:
    """An image, a calibration image if there is one, and what the float graph means on it."""
    device = known_device(ctx.params["device"])
    feeds = drawn_feeds(graph.inputs, ctx.params["preprocess"])
    if "quantised" not in graph.facts:
        image = next(tensors(ctx.inputs["images"], ctx.params["preprocess"], graph.batch))
        feeds = {graph.inputs[0].name: image}
    computes = computing("int8", ctx.params["remainder"], capabilities(device))
    setting = Setting(device=device, computes=computes, threads=cpu_threads())
    bench = Bench.of(ctx.inputs["graph"], feeds, setting)
    return replace(bench, where=str(quantised.model))


def _report(
    earlier: Mapping[str, Any], bench: Bench, judged: Judged, tried: list[Tried]
) -> dict[str, Any]:
    """The content of precision.json, from what OpenVINO made of the model."""
    reasons = {node["name"]: node["reason"] for node in earlier.get("nodes", [])}
    made = layers(judged.compiled)
    nodes = node_precisions(judged.model, made, reasons)
    own = quantised_already("int8", bench.graph, nodes, "OpenVINO")
    if not own and not any(node.precision == "int8" for node in nodes):
        raise StageError(
            "OpenVINO runs no convolution in int8",
            where=bench.where,
            next="use --precision fp32, or --option sensitive=none",
        )
    facts, poor = bench.compare("int8", judged)
    warnings = [*own, *poor, *_warnings(tried)]
    return {
        **report("int8", nodes, made, warnings),
        **{key: earlier[key] for key in _KEPT if key in earlier},
        "quantised_by": earlier.get("tool"),
        "remainder": bench.setting.computes,
        "rewrites": [each.to_data() for each in tried],
        **facts,
    }


def _warnings(tried: list[Tried]) -> list[str]:
    warnings = [
        f"int8: the rewrite '{each.name}' was left out: it loses more than int8 does"
        for each in tried
        if not each.kept
    ]
    if has_int8_dot(cpu_features()) is False:
        warnings.append("int8: this processor has no VNNI; int8 may be no faster than fp32 here")
    return warnings
