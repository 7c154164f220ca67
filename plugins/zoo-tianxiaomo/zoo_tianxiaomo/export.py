"""The stage that makes the graph from our own definition of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from zoo_tianxiaomo.attach import attach
from zoo_tianxiaomo.onnx_graph import finish
from zoo_tianxiaomo.params import ExportSpec
from zoo_tianxiaomo.tracing import trace, wrapped
from zoo_tianxiaomo.weights import load_network

if TYPE_CHECKING:
    from zoo_core.api import StageContext
    from zoo_tianxiaomo.network import Yolov4


def export(context: StageContext) -> None:
    """Leaves `model.onnx` and `graph.json`; the weights are `inputs["weights"]` unless random.

    Raises DataError for the weights, StageError for a graph that is not the one asked for.
    """
    spec = ExportSpec.from_data(context.params)
    context.progress(0, 3, "weights")
    network = load_network(spec.network, context.inputs.get("weights"))
    context.progress(1, 3, "export")
    model, notes = trace(spec)
    values = attach(model, wrapped(network, spec).state_dict())
    facts = {"route": "builtin", **network_facts(network), "decoder": spec.decoder}
    del network
    context.progress(2, 3, "shapes")
    finish(model, context.out, spec.layout, spec.opset, facts, values)
    if notes:
        with context.log.open("a", encoding="utf-8") as log:
            log.writelines(f"{note}\n" for note in notes)
    context.progress(3, 3, "exported")


def network_facts(network: Yolov4) -> dict[str, Any]:
    """What a graph's facts say of the network."""
    return {
        "widths": list(network.widths),
        "classes": network.classes,
        "parameters": sum(value.numel() for value in network.parameters()),
        "torch": torch.__version__,
    }
