"""Lifting an old graph to an operator set that knows quantisation per channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import helper, version_converter

from zoo_core.toolkit.onnx_file import opset

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

LOWEST = 13
"""The first operator set whose DequantizeLinear has one scale for each channel."""

_TARGET = 17
_COORDINATES = "coordinate_transformation_mode"
_FIRST_WITH_COORDINATES = 11


def lift(model: ModelProto, _scratch: Path) -> tuple[ModelProto, int]:
    """Convert a graph below opset 13 to opset 17; returns the number of its nodes, else 0.

    A graph with an operator that onnx cannot convert stays.
    """
    given = opset(model)
    if given >= LOWEST:
        return model, 0
    try:
        lifted = version_converter.convert_version(model, _TARGET)
    except (version_converter.ConvertError, RuntimeError):
        return model, 0
    if given < _FIRST_WITH_COORDINATES:
        _state_coordinates(lifted)
    return lifted, len(lifted.graph.node)


def _state_coordinates(model: ModelProto) -> None:
    """Let each Resize map pixels as operator sets below 11 do, in place: x / scale, cut to a pixel.

    onnx.version_converter 1.23 leaves it to the later default, half_pixel.
    """
    stated = {_COORDINATES: "asymmetric", "nearest_mode": "floor"}
    for node in model.graph.node:
        known = {attribute.name for attribute in node.attribute}
        if node.op_type == "Resize" and _COORDINATES not in known:
            node.attribute.extend(helper.make_attribute(*each) for each in stated.items())
