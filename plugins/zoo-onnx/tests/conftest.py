from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import onnx
import pytest
import zoo_onnx
from zoo_onnx.exporter import OnnxExporter

from zoo_core.api import ExportRequest, Graph
from zoo_core.planning.weights import local_weights
from zoo_core.plugins.manager import Plugins
from zoo_core.testing import model_card, run_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SIZE = (64, 96)


def request(**changes: Any) -> ExportRequest:
    fields: dict[str, Any] = {
        "weights": "given",
        "format": "onnx",
        "files": {"weights": "weights/m.onnx"},
        "seed": 0,
        "size": SIZE,
        "classes": 2,
        "source": "builtin",
        "form": "heads",
    }
    return ExportRequest(**{**fields, **changes})


def export(path: Path, folder: Path, params: Mapping[str, Any]) -> tuple[Graph, Path, Any]:
    """The graph of a file, its folder, and what verify found.

    `params` are the card's, and `channels` of the request and `preprocess` of the card.
    """
    own = dict(params)
    channels, steps = own.pop("channels", 3), own.pop("preprocess", ())
    card = model_card(exporter="onnx", exporter_params=own, preprocess=steps)
    exporter = OnnxExporter()
    weights = local_weights("given", "onnx", {"weights": path}, exporter.parts(path))
    (stage,) = weights.stages()
    assert stage
    stages = [stage, *exporter.stages(card, request(files=weights.references(), channels=channels))]
    done = run_stages(stages, folder, Plugins([zoo_onnx]))
    graph = Graph.from_data(json.loads((done["export"] / "graph.json").read_text()))
    return graph, done["export"], json.loads((done["verify"] / "verify.json").read_text())


@pytest.fixture
def asked() -> Callable[..., ExportRequest]:
    """Makes an export request."""
    return request


@pytest.fixture
def exported_file(tmp_path: Path) -> Callable[..., tuple[Graph, Path, Any]]:
    """Exports a file with parameters of the card: the graph, its folder, and what verify found."""
    return lambda path, **params: export(path, tmp_path, params)


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., tuple[Graph, Path, Any]]:
    """The same for a model, saved as m.onnx in the test's folder."""

    def run(model: onnx.ModelProto, **params: Any) -> tuple[Graph, Path, Any]:
        onnx.save(model, tmp_path / "m.onnx")
        return export(tmp_path / "m.onnx", tmp_path, params)

    return run
