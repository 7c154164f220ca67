"""The plugin keeps zoo's contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import zoo_onnx

from zoo_core.testing import ExporterContract, ExportWeights, PluginContract
from zoo_core.testing.examples import tiny_model

if TYPE_CHECKING:
    from pathlib import Path


class TestPlugin(PluginContract):
    plugin = zoo_onnx


class TestExporter(ExporterContract):
    """With a file whose batch is dynamic and whose size is fixed."""

    plugin, name = zoo_onnx, "onnx"
    params = {"input": "input", "outputs": ["head0"], "form": "heads"}
    tolerance = 0.0

    def weights(self, folder: Path) -> ExportWeights:
        path = folder / "tiny.onnx"
        if not path.exists():
            onnx.save(tiny_model(self.size), path)
        return ExportWeights(kind="given", format="onnx", files={"weights": path})
