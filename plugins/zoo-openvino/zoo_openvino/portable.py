"""An artefact of this plugin without zoo: for the model.py of a package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


def open_artefact(
    folder: Path, target: Mapping[str, Any]
) -> Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]:
    """A function from a batch to the outputs by name.

    As in zoo, what is not int8 is computed in what the target asks for where the device has it.
    """
    import openvino as ov

    facts = json.loads((folder / "artefact.json").read_text(encoding="utf-8"))
    device, options = target["device"].upper(), target["options"]
    core = ov.Core()
    model = core.read_model(folder / facts["model"])
    shapes = {
        row["name"]: [target["batch"] if isinstance(side, str) else side for side in row["shape"]]
        for row in facts["inputs"]
    }
    model.reshape(shapes)
    computes = facts["precision"]
    if computes == "int8":
        computes = {"auto": "bf16"}.get(options.get("remainder", "auto"), options.get("remainder"))
    able = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    if computes.upper() not in able:
        computes = "fp32"
    kinds = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
    wanted = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": kinds[computes]}
    if "threads" in options:
        wanted["INFERENCE_NUM_THREADS"] = options["threads"]
    request = core.compile_model(model, device, wanted).create_infer_request()
    names = [row["name"] for row in facts["outputs"]]
    feed = facts["inputs"][0]["name"]

    def run(tensors: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        request.infer({feed: np.ascontiguousarray(tensors)})
        return {name: np.array(request.get_tensor(name).data) for name in names}

    return run
