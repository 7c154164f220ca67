"""The stage that compares a graph with the network it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from zoo_core.toolkit.verify import verify_graph
from zoo_darknet.boxes import Decoded
from zoo_darknet.network_file import build_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Graph, StageContext


def verify(context: StageContext) -> None:
    """Leaves `verify.json`: the graph against PyTorch; see `zoo_core.toolkit.verify`."""

    def run(graph: Graph, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        network = build_network(context.inputs, context.params)
        module = Decoded(network).eval() if graph.form == "e2e" else network
        (pictures,) = feeds.values()
        with torch.inference_mode():
            return [output.numpy() for output in module(torch.from_numpy(pictures))]

    verify_graph(context, f"PyTorch {torch.__version__}", run, finite=True)
