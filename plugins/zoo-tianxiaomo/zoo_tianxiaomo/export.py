"""The stage that makes the graph from our own definition of the network."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import torch

from zoo_tianxiaomo.layout import BATCH, INPUT
from zoo_tianxiaomo.network import EndToEnd
from zoo_tianxiaomo.onnx_graph import finish
from zoo_tianxiaomo.params import ExportSpec
from zoo_tianxiaomo.weights import load_network

if TYPE_CHECKING:
    from torch import nn

    from zoo_core.nouns import StageContext
    from zoo_tianxiaomo.network import Yolov4

_SMALL = (32, 32)


def export(context: StageContext) -> None:
    """Leaves `model.onnx` and `graph.json`; the weights are `inputs["weights"]` unless random.

    Raises DataError for the weights, StageError for a graph that is not the one asked for.
    """
    spec = ExportSpec.from_data(context.params)
    context.progress(0, 3, "weights")
    network = load_network(spec.network, context.inputs.get("weights"))
    context.progress(1, 3, "export")
    content, notes = _trace(wrapped(network, spec), spec)
    facts = {"route": "builtin", **network_facts(network)}
    del network
    context.progress(2, 3, "shapes")
    finish(content, context.out, spec.layout, spec.opset, facts)
    if notes:
        with context.log.open("a", encoding="utf-8") as log:
            log.writelines(f"{note}\n" for note in notes)
    context.progress(3, 3, "exported")


def wrapped(network: Yolov4, spec: ExportSpec) -> nn.Module:
    """The module whose outputs are those of the form that is asked for."""
    if spec.form == "heads":
        return network
    fine, middle, coarse = spec.scale_x_y
    return EndToEnd(network, spec.size, (fine, middle, coarse)).eval()


def network_facts(network: Yolov4) -> dict[str, Any]:
    """What a graph's facts say of the network."""
    return {
        "widths": list(network.widths),
        "classes": network.classes,
        "parameters": sum(value.numel() for value in network.parameters()),
        "torch": torch.__version__,
    }


def _trace(module: nn.Module, spec: ExportSpec) -> tuple[bytes, list[str]]:
    """The bytes of an ONNX file, and what the exporter warned of."""
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
        )
    notes = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    return buffer.getvalue(), notes
