"""Lifting an old graph to an operator set that knows quantisation per channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import version_converter

from zoo_core.toolkit.onnx_file import opset

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

LOWEST = 13
"""The first operator set whose DequantizeLinear has one scale for each channel."""

_TARGET = 17


def lift(model: ModelProto, _scratch: Path) -> tuple[ModelProto, int]:
    """Convert a graph below opset 13 to opset 17; returns the number of its nodes, else 0.

    A graph with an operator that onnx cannot convert stays.
    """
    if opset(model) >= LOWEST:
        return model, 0
    try:
        lifted = version_converter.convert_version(model, _TARGET)
    except (version_converter.ConvertError, RuntimeError):
        return model, 0
    return lifted, len(lifted.graph.node)
