"""The stage `compile` for fp32, bf16 and fp16: the graph in OpenVINO's own format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openvino as ov

from zoo_core.toolkit.artefact import quantised_already, read_graph, write_artefact
from zoo_core.toolkit.machine import cpu_threads
from zoo_core.toolkit.similarity import drawn_feeds
from zoo_openvino.engine import Setting, capabilities, computing, read, stage_errors
from zoo_openvino.files import FORMATS, MODEL_FILE
from zoo_openvino.options import known_device
from zoo_openvino.precision import layers, node_precisions, report
from zoo_openvino.trial import Bench

if TYPE_CHECKING:
    from zoo_core.api import StageContext


def build(ctx: StageContext) -> None:
    """Leave the model with artefact.json and precision.json.

    fp16 stores the weights as float16, but for those of a file that is quantised already; the
    others as float32. What is computed in is the device's affair, and is read from what OpenVINO
    made of the model. Raises StageError for a graph that OpenVINO refuses.
    """
    graph = read_graph(ctx.inputs["graph"])
    source = ctx.inputs["graph"].parent / graph.path
    precision, device = ctx.params["precision"], known_device(ctx.params["device"])
    halved = precision == "fp16" and "quantised" not in graph.facts
    ctx.progress(0, 3, "convert")
    model = read(source)
    with stage_errors("OpenVINO cannot write the model", str(ctx.out)):
        ov.save_model(model, ctx.out / MODEL_FILE, compress_to_fp16=halved)
    ctx.progress(1, 3, "compare with the graph's meaning on a drawn picture")
    computes = computing(precision, "fp32", capabilities(device))
    setting = Setting(device=device, computes=computes, threads=cpu_threads())
    feeds = drawn_feeds(graph.inputs, ctx.params["preprocess"])
    bench = Bench.of(ctx.inputs["graph"], feeds, setting, apart=precision != "fp32")
    judged = bench.judge(read(ctx.out / MODEL_FILE))
    ctx.progress(2, 3, "look at what OpenVINO makes of it")
    found = layers(judged.compiled)
    facts, poor = bench.compare(precision, judged)
    nodes = node_precisions(model, found, {})
    own = quantised_already(precision, graph, nodes, "OpenVINO")
    warnings = [*_warnings(precision, computes, halved), *own, *poor]
    more = {"weights": "float16" if halved else "float32", **facts}
    if own:
        more["weights"] = "as in the file"
    made = report(precision, nodes, found, warnings)
    write_artefact(ctx.out, (FORMATS[0], MODEL_FILE), graph, {**made, **more})
    ctx.progress(3, 3)


def _warnings(precision: str, computes: str, halved: bool) -> list[str]:
    if precision == computes:
        return []
    kept = "weights are stored as float16; " if halved else ""
    return [f"{precision}: {kept}this device computes in {computes}"]
