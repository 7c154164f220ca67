"""The stage `rank`: what each convolution, alone in int8, does to the outputs of the network."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from zoo_core.api.calibration import tensors
from zoo_core.api.tuning import RANK_FILE
from zoo_core.errors import DataError
from zoo_core.toolkit.artefact import read_graph
from zoo_core.toolkit.files import write_json
from zoo_core.toolkit.machine import cpu_threads
from zoo_core.toolkit.onnx_file import load
from zoo_onnxruntime.quantize import quantize
from zoo_onnxruntime.sensitive import float_convolutions
from zoo_onnxruntime.trial import IMAGES, mean_db, outputs_of

if TYPE_CHECKING:
    from zoo_core.api import StageContext


def build(ctx: StageContext) -> None:
    """Leave rank.json of the first calibration images; see `RanksLayers`.

    Raises DataError where there is no image.
    """
    graph = read_graph(ctx.inputs["graph"])
    source, threads = ctx.inputs["graph"].parent / graph.path, cpu_threads()
    ranges = json.loads(ctx.inputs["ranges"].read_text(encoding="utf-8"))["ranges"]
    bounds = {name: (float(low), float(high)) for name, (low, high) in ranges.items()}
    batches = tensors(ctx.inputs["images"], ctx.params["preprocess"], graph.batch)
    images = list(islice(batches, max(1, IMAGES // graph.batch)))
    if not images:
        step = "give a folder with images by --calibration DIR"
        raise DataError("there is no calibration image", where=str(ctx.inputs["images"]), next=step)
    model = load(source)
    floats = float_convolutions(model.graph, ctx.params["sensitive"], ctx.params["float_nodes"])
    names = [node.name for node in model.graph.node if node.op_type == "Conv"]
    ranked = [name for name in names if name not in floats]
    reference = outputs_of(source, images, threads)
    rows = []
    for number, name in enumerate(ranked):
        ctx.progress(number, len(ranked), name)
        alone = load(source)
        if name in quantize(alone, bounds, {*names} - {name}):
            continue  # it stays float in any case
        found = outputs_of(alone.SerializeToString(), images, threads)
        rows.append({"node": name, "snr_db": mean_db(reference, found)})
    rows.sort(key=lambda row: row["snr_db"])
    write_json(ctx.out / RANK_FILE, {"images": sum(map(len, images)), "layers": rows})
