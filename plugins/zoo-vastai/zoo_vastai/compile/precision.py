"""What a build became, as precision.json says it: what was found, never what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_EMULATED_MODEL = "mod.params"
"""The emulator keeps its network there, as an ONNX file."""


def precision_report(
    folder: Path, build: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, Any]:
    """precision.json for the three files in a folder.

    Which convolutions are int8 is counted in what the emulator made. The vendor's formats are not
    published: of a real build these figures are None, but for no int8 where nothing was calibrated.
    """
    emulated = bool(params["emulated"])
    further = {key: build[key] for key in ("calibration", "nms") if build[key]}
    return {
        "requested": build["precision"],
        **(_counted(folder / _EMULATED_MODEL) if emulated else _unknown(build)),
        "tool": "vamc (emulated)" if emulated else _tool(params["sdk"]),
        "emulated": emulated,
        "build": build["name"],
        **further,
        "warnings": list(params["notes"]),
    }


def _tool(sdk: str | None) -> str:
    return f"vamc of SDK {sdk}" if sdk else "vamc"


def _unknown(build: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "int8_nodes": None if build["calibration"] else 0,
        "float_nodes": None,
        "float_node_names": [],
    }


def _counted(path: Path) -> dict[str, Any]:
    import onnx

    nodes = onnx.load(str(path)).graph.node
    restored = {out for n in nodes if n.op_type == "DequantizeLinear" for out in n.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    floats = [node.name for node in convolutions if node.input[0] not in restored]
    return {
        "int8_nodes": len(convolutions) - len(floats),
        "float_nodes": len(floats),
        "float_node_names": floats if len(floats) < len(convolutions) else [],
    }
