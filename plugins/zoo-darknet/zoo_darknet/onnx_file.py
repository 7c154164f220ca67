"""From a PyTorch module to an ONNX file with few copies of its values in memory.

PyTorch's exporter and protobuf each copy all values several times. So the exporter writes the graph
alone, and the values go into the file one by one.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import torch
from torch import nn

from zoo_core.toolkit.onnx_file import opset as opset_of
from zoo_core.toolkit.onnx_file import save
from zoo_darknet.network import ConvolutionLayer
from zoo_darknet.plain_graph import plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo_core.api import TensorSpec


def write_onnx(
    network: nn.Module, given: TensorSpec, outputs: Sequence[TensorSpec], opset: int, path: Path
) -> int:
    """Write a module in inference mode; returns the opset of the file.

    The dimensions of inputs and outputs are those of the specs, text ones dynamic. The module is
    changed: normalisation is folded into its convolutions.
    """
    with torch.no_grad():
        fold(network)
    model = _skeleton(network, (given, *outputs), opset, path.with_suffix(".graph"))
    plain(model)
    values = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    kept, parameters = [], {}
    for info in model.graph.input:
        if info.name == given.name:
            kept.append(info)
            continue
        tensor = parameters[info.name] = values[info.name].detach()
        model.graph.initializer.add(
            name=info.name, data_type=onnx.TensorProto.FLOAT, dims=tensor.shape
        )
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for info, spec in zip(
        (*model.graph.input, *model.graph.output), (given, *outputs), strict=True
    ):
        _state_shape(info, spec)
    arrays = {name: tensor.contiguous().numpy for name, tensor in parameters.items()}
    save(model, path, arrays)
    return opset_of(model)


def fold(network: nn.Module) -> None:
    """Fold normalisations into the convolutions before them, in float64."""
    for module in network.modules():
        if isinstance(module, ConvolutionLayer) and len(module) > 1:
            conv, norm = module[0], module[1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(conv, norm)
                module[1] = nn.Identity()


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.double() - norm.running_mean.double() * factor
    conv.bias = nn.Parameter(bias.float())
    conv.weight.copy_(conv.weight.double() * factor[:, None, None, None])


def _skeleton(
    network: nn.Module, specs: Sequence[TensorSpec], opset: int, beside: Path
) -> onnx.ModelProto:
    """The graph without values: they are further inputs of it."""
    given, *outputs = specs
    extent = [side if isinstance(side, int) else 1 for side in given.shape]
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # torch 2.9 began to announce the end of this exporter; it is the one that keeps the
            # opset that is asked for.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            # It tries to fold the pads of Pad although it is told not to; plain does.
            warnings.filterwarnings("ignore", message="Constant folding")
            torch.onnx.export(
                network,
                (torch.zeros(*extent),),
                str(beside),
                export_params=False,
                input_names=[given.name],
                output_names=[spec.name for spec in outputs],
                dynamic_axes={spec.name: _dynamic(spec) for spec in specs},
                opset_version=opset,
                do_constant_folding=False,
                dynamo=False,
            )
        return onnx.load(str(beside))
    finally:
        beside.unlink(missing_ok=True)


def _dynamic(spec: TensorSpec) -> dict[int, str]:
    return {axis: side for axis, side in enumerate(spec.shape) if isinstance(side, str)}


def _state_shape(info: onnx.ValueInfoProto, spec: TensorSpec) -> None:
    for dimension, side in zip(info.type.tensor_type.shape.dim, spec.shape, strict=True):
        if isinstance(side, int):
            dimension.dim_value = side
        else:
            dimension.dim_param = side
