"""The network that a stage's cfg and weights describe, built and filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_core.toolkit.darknet_cfg import read_cfg
from zoo_core.toolkit.darknet_weights import WeightsReader
from zoo_darknet.network import DarknetNetwork
from zoo_darknet.random_weights import fill_randomly
from zoo_darknet.topology import plan_network
from zoo_darknet.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.toolkit.darknet_cfg import Cfg
    from zoo_darknet.topology import Topology


def read_topology(cfg: Cfg, params: Mapping[str, Any]) -> Topology:
    """The network of `params["size"]` with `params["classes"]` classes; else `UsageError`.

    Images have `params["channels"]` channels.
    """
    height, width = params["size"]
    if cfg.channels != params["channels"]:
        colour = {1: "grey", 3: "rgb"}.get(cfg.channels)
        raise UsageError(
            f"channels={cfg.channels}, but the images have {params['channels']}",
            where=cfg.net.where("channels"),
            next=f"write colour: {colour} in the decode step of the card" if colour else "",
        )
    topology = plan_network(cfg, height, width)
    if topology.classes != params["classes"]:
        raise UsageError(
            f"has {topology.classes} classes where the model has {params['classes']} labels",
            where=cfg.file,
            next=f"give --names a file with {topology.classes} names",
        )
    return topology


def build_network(inputs: Mapping[str, Path], params: Mapping[str, Any]) -> DarknetNetwork:
    """The network of the stage inputs `cfg` and `weights`, in inference mode.

    Random weights of `params["seed"]` where there are none. Sizes are compared before memory is
    taken; raises `DataError` for weights that do not fit.
    """
    topology = read_topology(read_cfg(inputs["cfg"]), params)
    if "weights" not in inputs:
        network = DarknetNetwork(topology)
        fill_randomly(network, params["seed"])
    else:
        reader = WeightsReader(inputs["weights"])
        reader.expect(topology.values)
        network = DarknetNetwork(topology)
        load_weights(network, reader)
    return network.eval()
