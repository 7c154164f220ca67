"""The stage that compares a graph with the network it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from zoo_core.toolkit.verify import verify_graph
from zoo_tianxiaomo.params import ExportSpec, NetworkSpec, heads_of
from zoo_tianxiaomo.tracing import wrapped
from zoo_tianxiaomo.weights import load_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Graph, StageContext


def verify(context: StageContext) -> None:
    """Leaves `verify.json`: the graph against PyTorch; see `zoo_core.toolkit.verify`.

    PyTorch runs the second picture alone, which takes half the time.
    """

    def run(graph: Graph, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        height, width = (int(side) for side in graph.inputs[0].shape[2:])
        spec = ExportSpec(
            network=NetworkSpec.from_data(context.params["network"]),
            form=graph.form,
            size=(height, width),
            opset=graph.facts["opset"],
            **heads_of(context.params["decoder"]),
        )
        (pictures,) = feeds.values()
        module = wrapped(load_network(spec.network, context.inputs.get("weights")), spec)
        with torch.inference_mode():
            return [output.numpy() for output in module(torch.from_numpy(pictures[1:]))]

    reference = f"PyTorch {torch.__version__}, zoo's definition of the network"
    verify_graph(context, reference, run, finite=True)
