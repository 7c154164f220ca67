"""The stages around the source repository's own export script, which `source-repo` runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from zoo_tianxiaomo.export import network_facts
from zoo_tianxiaomo.onnx_graph import finish, read
from zoo_tianxiaomo.params import ExportSpec, NetworkSpec
from zoo_tianxiaomo.weights import load_network

if TYPE_CHECKING:
    from zoo_core.api import StageContext

CHECKPOINT = "weights.pth"
FACTS = "network.json"


def checkpoint(context: StageContext) -> None:
    """Leaves the weights as today's script names them, and facts of the network.

    Raises DataError for weights that are not the network's; they never reach the script.
    """
    network = load_network(
        NetworkSpec.from_data(context.params["network"]), context.inputs.get("weights")
    )
    torch.save(dict(network.state_dict()), context.out / CHECKPOINT)
    facts = json.dumps(network_facts(network))
    (context.out / FACTS).write_text(facts, encoding="utf-8")


def export(context: StageContext) -> None:
    """Leaves `model.onnx` and `graph.json` from what the script made, with a free batch.

    Raises StageError for another graph than was asked for.
    """
    spec = ExportSpec.from_data(context.params)
    facts, script = (
        json.loads(context.inputs[name].read_text(encoding="utf-8"))
        for name in ("network", "script")
    )
    facts |= {"route": "source", "decoder": spec.decoder}
    finish(
        read(context.inputs["made"].read_bytes()),
        context.out,
        spec.layout,
        spec.opset,
        {**facts, "exit_status": script["exit_status"], "source": script["source"]},
    )
