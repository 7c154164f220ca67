"""The graph of a network without its weights: traced on a thin one, which takes no time."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import onnx
import torch

from zoo_tianxiaomo.layout import BATCH, INPUT
from zoo_tianxiaomo.network import EndToEnd, Yolov4

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

    from zoo_tianxiaomo.params import ExportSpec

_THIN = (1, 1, 2, 2, 2, 2)
_SMALL = (32, 32)


def trace(spec: ExportSpec) -> tuple[ModelProto, list[str]]:
    """The nodes, and what the exporter warned of; every tensor of the state dict is an input.

    A graph tells sizes of kernels, not numbers of channels, so a thin network with as many classes
    gives the nodes of any. Normalisations are still nodes of their own.
    """
    module = wrapped(_thin(spec.network.classes), spec)
    outputs = [value.name for value in spec.layout.outputs]
    # Raw heads know no size: a small picture traces the same graph, and shapes are inferred later.
    height, width = spec.size if spec.form == "e2e" else _SMALL
    buffer = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The older exporter: five times as fast, and it writes the opset that it is asked for.
        torch.onnx.export(
            module,
            (torch.zeros(1, 3, height, width),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=spec.opset,
            input_names=[INPUT],
            output_names=outputs,
            dynamic_axes={name: {0: BATCH} for name in (INPUT, *outputs)},
            export_params=False,
            keep_initializers_as_inputs=True,
            training=torch.onnx.TrainingMode.PRESERVE,  # else it folds the thin network's values
        )
    notes = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    return onnx.load_from_string(buffer.getvalue()), notes


def wrapped(network: Yolov4, spec: ExportSpec) -> nn.Module:
    """The module whose outputs are those of the form that is asked for."""
    if spec.form == "heads":
        return network
    fine, middle, coarse = spec.scale_x_y
    return EndToEnd(network, spec.size, (fine, middle, coarse), spec.anchors).eval()


def _thin(classes: int) -> Yolov4:
    """No two of its tensors are equal, or the exporter would make one of them."""
    with torch.device("meta"):
        network = Yolov4(classes, _THIN)
    state = {
        key: torch.full(value.shape, number, dtype=value.dtype)
        for number, (key, value) in enumerate(network.state_dict().items(), start=1)
    }
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False).eval()
