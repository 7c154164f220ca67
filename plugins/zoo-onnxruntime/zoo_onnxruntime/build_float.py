"""The stage `compile` for fp32 and fp16: the rewritten graph, as it is or with half the bytes."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from zoo_core.toolkit.artefact import quantised_already, read_graph
from zoo_core.toolkit.onnx_file import load, save
from zoo_core.toolkit.similarity import drawn_feeds
from zoo_core.toolkit.verify import Meaning
from zoo_onnxruntime.files import MODEL_FILE
from zoo_onnxruntime.half import store_half
from zoo_onnxruntime.precision import node_precisions, write_report
from zoo_onnxruntime.rewrites.proof import outputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Graph, StageContext

    Feeds = Mapping[str, NDArray[Any]]


def fp32(ctx: StageContext) -> None:
    """Leave the rewritten graph with artefact.json and precision.json."""
    take(ctx, "fp32")


def int8(ctx: StageContext) -> None:
    """Leave a graph that is quantised already."""
    take(ctx, "int8")


def take(ctx: StageContext, precision: str) -> None:
    """Leave the graph as it is: as float32, or as a file that is quantised already."""
    graph = read_graph(ctx.inputs["graph"])
    model = ctx.out / MODEL_FILE
    _link(ctx.inputs["graph"].parent / graph.path, model)
    nodes = node_precisions(model, {}, ctx.out)
    facts, poor = compare(ctx, graph, precision, _picture(ctx, graph))
    warnings = [*quantised_already(precision, graph, nodes, "ONNX Runtime"), *poor]
    write_report(ctx.out, graph, precision, nodes, warnings, **facts)


def fp16(ctx: StageContext) -> None:
    """Leave the graph with its weights in float16; computing stays in float32, as is reported."""
    graph = read_graph(ctx.inputs["graph"])
    source, model = ctx.inputs["graph"].parent / graph.path, ctx.out / MODEL_FILE
    halved = load(source)
    count, left = store_half(halved)
    save(halved, model)
    del halved
    facts, poor = compare(ctx, graph, "fp16", _picture(ctx, graph))
    stored = "float16" if count else "float32"
    warnings = [f"fp16: weights are stored as {stored}; this processor computes in float32"]
    if not count:
        warnings = ["fp16: the file has no float32 weights that float16 would store smaller"]
    warnings += [f"fp16: '{name}' stays float32: {why}" for name, why in left.items()]
    nodes = node_precisions(model, {}, ctx.out)
    warnings += [*quantised_already("fp16", graph, nodes, "ONNX Runtime"), *poor]
    write_report(ctx.out, graph, "fp16", nodes, warnings, weights=stored, **facts)


def compare(
    ctx: StageContext, graph: Graph, precision: str, feeds: Feeds
) -> tuple[dict[str, Any], list[str]]:
    """The build against what the graph means as it was exported: facts and warnings."""
    model = ctx.out / MODEL_FILE
    meaning = Meaning.of(ctx.inputs["exported"], feeds)
    return meaning.compare(precision, graph, outputs(model, feeds, str(model)))


def _picture(ctx: StageContext, graph: Graph) -> Feeds:
    return drawn_feeds(graph.inputs, ctx.params["preprocess"])


def _link(source: Path, target: Path) -> None:
    """A second name for the same bytes where the file system can, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
