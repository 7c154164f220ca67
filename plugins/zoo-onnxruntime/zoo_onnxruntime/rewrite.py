"""The stage `rewrite`: a graph that computes the same and runs faster, with its proofs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from zoo_core.toolkit.artefact import read_graph, write_graph
from zoo_core.toolkit.files import write_json
from zoo_core.toolkit.similarity import seeded_feeds
from zoo_onnxruntime.files import MODEL_FILE, REWRITES_FILE
from zoo_onnxruntime.rewrites.chain import CHOICES, rewrite
from zoo_onnxruntime.rewrites.proof import BATCH

if TYPE_CHECKING:
    from zoo_core.api import StageContext


def build(ctx: StageContext) -> None:
    """Leave `model.onnx`, its `graph.json`, and `rewrites.json` with what each rewrite did.

    A file that is quantised already stays as its writer meant engines to find it.
    """
    listing = ctx.inputs["graph"]
    graph = read_graph(listing)
    rewrites = CHOICES["none" if graph.facts.get("quantised") else ctx.params["rewrites"]]
    done = []
    ctx.progress(0, len(rewrites) + 1, "run the graph as exported")
    source = listing.parent / graph.path
    for applied in rewrite(
        source, ctx.out / MODEL_FILE, seeded_feeds(graph.inputs, BATCH), rewrites
    ):
        done.append(applied.to_data())
        ctx.progress(len(done), len(rewrites) + 1, f"{applied.name} proved")
    write_graph(ctx.out, dataclasses.replace(graph, path=MODEL_FILE))
    write_json(ctx.out / REWRITES_FILE, {"rewrites": done})
    ctx.progress(1, 1)
