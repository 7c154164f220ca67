"""The stage `compile` for fp32, bf16 and fp16: the graph in OpenVINO's own format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openvino as ov

from zoo_core.toolkit.artefact import read_graph, write_artefact
from zoo_core.toolkit.machine import cpu_threads
from zoo_core.toolkit.similarity import poor, ratios_db, rounded, seeded_feeds
from zoo_openvino.engine import (
    Setting,
    capabilities,
    compile_model,
    computing,
    fix_batch,
    infer,
    read,
    told,
)
from zoo_openvino.files import FORMATS, MODEL_FILE
from zoo_openvino.options import known_device
from zoo_openvino.precision import layers, node_precisions, report

if TYPE_CHECKING:
    from zoo_core.api import StageContext


def build(ctx: StageContext) -> None:
    """Leave the model with artefact.json and precision.json.

    fp16 stores the weights as float16; the others as float32. What is computed in is the device's
    affair, and is read from what OpenVINO made of the model. Raises StageError for a graph that
    OpenVINO refuses.
    """
    graph = read_graph(ctx.inputs["graph"])
    source = ctx.inputs["graph"].parent / graph.path
    precision, device = ctx.params["precision"], known_device(ctx.params["device"])
    ctx.progress(0, 3, "convert")
    model = read(source)
    with told("OpenVINO cannot write the model", str(ctx.out)):
        ov.save_model(model, ctx.out / MODEL_FILE, compress_to_fp16=precision == "fp16")
    ctx.progress(1, 3, "compare with float32 on a seeded input")
    computes = computing(precision, "fp32", capabilities(device))
    feeds = seeded_feeds(graph.inputs, 1)
    fix_batch(model, graph.inputs, 1)
    plain = Setting(device=device, threads=cpu_threads())
    names = [spec.name for spec in graph.outputs]
    reference = infer(compile_model(model, plain, str(source)), names, feeds)
    made = read(ctx.out / MODEL_FILE)
    fix_batch(made, graph.inputs, 1)
    compiled = compile_model(
        made, Setting(device=device, computes=computes, threads=cpu_threads()), str(source)
    )
    ratios = ratios_db(reference, infer(compiled, names, feeds))
    ctx.progress(2, 3, "look at what OpenVINO makes of it")
    found = layers(compiled)
    warnings = [*_warnings(precision, computes), *poor(precision, names, ratios)]
    told_ = report(precision, node_precisions(model, found, {}), found, warnings)
    write_artefact(
        ctx.out, (FORMATS[0], MODEL_FILE), graph, {**told_, **_added(names, ratios, precision)}
    )
    ctx.progress(3, 3)


def _added(names: list[str], ratios: list[float], precision: str) -> dict[str, Any]:
    return {
        "weights": "float16" if precision == "fp16" else "float32",
        "output_snr_db": dict(zip(names, rounded(ratios), strict=True)),
    }


def _warnings(precision: str, computes: str) -> list[str]:
    if precision == computes:
        return []
    kept = "weights are stored as float16; " if precision == "fp16" else ""
    return [f"{precision}: {kept}this device computes in {computes}"]
