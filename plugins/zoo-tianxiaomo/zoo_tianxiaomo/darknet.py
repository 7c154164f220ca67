"""Darknet's `.weights` of the official yolov4.cfg, read into our network's state dict.

The 110 convolutional layers of the cfg and the 110 convolutions of the network stand in the same
order, so each takes the next values of the file: bias, then gamma, mean and variance where the
layer is normalised, then the kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from zoo_core.errors import DataError
from zoo_core.toolkit.darknet_weights import WeightsReader
from zoo_tianxiaomo.blocks import ConvUnit, OutputConv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from zoo_tianxiaomo.network import Yolov4

_NORMALISED = ("conv.1.bias", "conv.1.weight", "conv.1.running_mean", "conv.1.running_var")


def file_order(network: Yolov4) -> Iterator[str]:
    """State-dict keys in the order in which a `.weights` file holds their values."""
    for name, module in network.named_modules():
        if isinstance(module, ConvUnit):
            yield from (f"{name}.{leaf}" for leaf in (*_NORMALISED, "conv.0.weight"))
        elif isinstance(module, OutputConv):
            yield from (f"{name}.{leaf}" for leaf in ("conv.0.bias", "conv.0.weight"))


def read_darknet(path: Path, network: Yolov4) -> dict[str, Tensor]:
    """The file's values by state-dict key, float32 copies; `network` gives the shapes.

    Raises DataError for a file that does not hold exactly this network's values.
    """
    reader = WeightsReader(path)
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    order = list(file_order(network))
    body = sum(shapes[key].numel() for key in order if not key.startswith("head."))
    if reader.floats == body:
        raise DataError(
            "holds the layers before the heads only, as yolov4.conv.137 does for training",
            where=str(path),
            next="give the whole yolov4.weights",
        )
    reader.expect(sum(shapes[key].numel() for key in order))
    state = {
        key: torch.from_numpy(reader.take(shapes[key].numel(), key).copy()).view(shapes[key])
        for key in order
    }
    reader.finish()
    counters = (key for key in shapes if key.endswith("num_batches_tracked"))
    return {**state, **{key: torch.zeros((), dtype=torch.int64) for key in counters}}
