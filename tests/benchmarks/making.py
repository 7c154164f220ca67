"""Work that is measured, or that is heavy, in a process of its own: `python -m ...making WHAT`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SEED = 1
_SPREAD, _OBJECT, _CLASS = 4.0, 10.0, 7.0
"""How the heads' logits are spread, and by how much those of objects and classes are lowered.

As drawn they lie so near each other that all cells or none are above a floor. So changed about 800
cells with four labels each are left above .001, more than a trained network leaves
(yolo-fastest-1.1-xl at 320 on 128 images of COCO: 269 cells, 757 labels, medians).
"""


def weights(target: str) -> None:
    """Leave a state dict of the full-size network."""
    import torch
    from zoo_tianxiaomo.params import NetworkSpec
    from zoo_tianxiaomo.weights import load_network

    spec = NetworkSpec(format="random", classes=80, seed=_SEED)
    state = load_network(spec, None).state_dict()
    for layer in (2, 10, 18):
        for kind in ("weight", "bias"):
            key = f"head.conv{layer}.conv.0.{kind}"
            scores = state[key].clone()
            by_anchor = scores.view(3, -1, *scores.shape[1:])
            by_anchor[:, 4:] *= _SPREAD
            if kind == "bias":
                by_anchor[:, 4] -= _OBJECT
                by_anchor[:, 5:] -= _CLASS
            state[key] = scores
    torch.save(state, target)


def export(weights: str, folder: str, opset: str) -> None:
    """Run the stages of the exporter up to the graph, as zoo does."""
    from zoo_core.api import ExportRequest
    from zoo_core.plugins.manager import Plugins
    from zoo_core.testing import examples, model_card
    from zoo_core.testing.stages import run_stages

    plugins = Plugins.installed()
    card = model_card(labels=("thing",) * 80, exporter_params={"opset": int(opset)})
    request = ExportRequest(
        weights="given",
        format="torch",
        files={"weights": "weights/random.pth"},
        seed=0,
        size=(416, 416),
        classes=80,
        source="builtin",
        form="heads",
    )
    stages = plugins.exporter("tianxiaomo-yolov4").stages(card, request)
    brought = examples.files_stage({"weights": Path(weights)})
    run_stages([brought, *(stage for stage in stages if stage.name == "export")], Path(folder))


def quantize_static(source: str, target: str) -> None:
    """ONNX Runtime's own quantisation with its defaults, on one picture of noise."""
    import numpy as np
    from onnxruntime import quantization

    class One(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            picture = np.random.default_rng(1).random((1, 3, 416, 416), dtype=np.float32)
            self._left: list[dict[str, Any]] = [{"input": picture}]

        def get_next(self) -> dict[str, Any] | None:
            return self._left.pop() if self._left else None

    quantization.quantize_static(source, target, One())


_KNOWN: Mapping[str, Callable[..., None]] = {
    "weights": weights,
    "export": export,
    "quantize_static": quantize_static,
}

if __name__ == "__main__":
    _KNOWN[sys.argv[1]](*sys.argv[2:])
