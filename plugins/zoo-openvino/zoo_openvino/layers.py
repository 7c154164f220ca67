"""The stage `layers`: how far each tensor of OpenVINO's int8 network is from the float one."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from zoo_core.api.calibration import tensors
from zoo_core.toolkit.artefact import PRECISION_FILE, read_artefact, read_graph
from zoo_core.toolkit.layers.rows import write_rows
from zoo_core.toolkit.layers.sums import Sums
from zoo_core.toolkit.machine import cpu_threads
from zoo_openvino.engine import (
    Setting,
    capabilities,
    compile_model,
    computing,
    fix_batch,
    infer,
    read,
    stage_errors,
)
from zoo_openvino.files import FORMATS
from zoo_openvino.options import known_device
from zoo_openvino.precision import layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import Graph, StageContext

_REFERENCE = "the rewritten float graph on OpenVINO in float32; own errors of the file it reads"


def build(ctx: StageContext) -> None:
    """Leave layers.json of the first calibration images; see `ComparesLayers`.

    The layers' own errors are those of the file that OpenVINO reads. Where a tensor is looked at,
    OpenVINO merges fewer nodes: the integers of a run are the same but for their last bits.
    """
    listing, graph = ctx.inputs["graph"], read_graph(ctx.inputs["graph"])
    artefact = read_artefact(ctx.inputs["artefact"].parent, FORMATS)
    earlier = json.loads(ctx.inputs["file"].read_text(encoding="utf-8"))
    source, compiled = read(listing.parent / graph.path), read(artefact.model)
    pairs = _pairs([row["tensor"] for row in earlier["layers"]], source, compiled)
    device = known_device(ctx.params["device"])
    remainder = computing("int8", ctx.params["remainder"], capabilities(device))
    floats = _opened(source, graph, list(pairs), Setting(device=device, threads=cpu_threads()))
    setting = Setting(device=device, computes=remainder, threads=cpu_threads())
    measured = _opened(compiled, graph, list(pairs.values()), setting)
    sums = {name: Sums() for name in pairs}
    batches = tensors(ctx.inputs["images"], ctx.params["preprocess"], graph.batch)
    for number, batch in enumerate(islice(batches, -(-earlier["images"] // graph.batch)), 1):
        feeds, where = {graph.inputs[0].name: batch}, str(artefact.model)
        expected = infer(floats, list(pairs), feeds, where)
        found = infer(measured, list(pairs.values()), feeds, where)
        for one, a, b in zip(sums.values(), expected, found, strict=True):
            one.add(a, b)
        done = min(number * graph.batch, earlier["images"])
        ctx.progress(done, earlier["images"], "images")
    precisions = _precisions(artefact.model.parent, measured)
    rows = [_row(row, sums, precisions) for row in earlier["layers"] if row["tensor"] in sums]
    write_rows(ctx.out, earlier["images"], _REFERENCE, rows)


def _pairs(tensors: Sequence[str], source: Any, compiled: Any) -> dict[str, str]:
    """The tensors that both models have, with their names in the int8 one."""
    floats, made = _names(source), _names(compiled)
    named = {name: (f"{name}/dequantized", name) for name in tensors if name in floats}
    found = {name: [n for n in names if n in made] for name, names in named.items()}
    return {name: names[0] for name, names in found.items() if names}


def _names(model: Any) -> set[str]:
    results = [out for node in model.get_ordered_ops() for out in node.outputs()]
    return {name for out in results for name in out.get_names()}


def _opened(model: Any, graph: Graph, names: Sequence[str], setting: Setting) -> Any:
    """The model compiled with these tensors among its outputs."""
    known = {name for output in model.outputs for name in output.get_names()}
    fix_batch(model, graph.inputs, graph.batch)
    with stage_errors("OpenVINO cannot show the tensors of the model", ""):
        model.add_outputs([name for name in names if name not in known])
    return compile_model(model, setting)


def _precisions(folder: Path, compiled: Any) -> dict[str, str]:
    """What nodes compute in, by name; those that OpenVINO merged away are missing."""
    report = json.loads((folder / PRECISION_FILE).read_text(encoding="utf-8"))
    found = {origin: each.precision for each in layers(compiled) for origin in each.origins}
    return {**found, **{row["name"]: row["precision"] for row in report["nodes"]}}


def _row(
    row: Mapping[str, Any], sums: Mapping[str, Sums], precisions: Mapping[str, str]
) -> dict[str, Any]:
    figures = sums[row["tensor"]].figures()
    return {**row, **figures, "precision": precisions.get(row["node"], row["precision"])}
