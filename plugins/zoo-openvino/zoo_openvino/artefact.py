"""What the stage `compile` leaves beside the model, and how it is read again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.nouns import Graph, TensorSpec
from zoo_openvino.files import ARTEFACT_FILE, MODEL_FILE, PRECISION_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.nouns import StageContext

FORMATS = ("openvino", "onnx")
"""What the runtime opens: its own compiler's artefacts, and ONNX ones of other compilers."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model's file with the tensors that go in and out of it."""

    model: Path
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str


def read_graph(path: Path) -> Graph:
    """The graph that an exporter left."""
    return Graph.from_data(json.loads(path.read_text(encoding="utf-8")))


def write_artefact(ctx: StageContext, graph: Graph, report: Mapping[str, Any]) -> None:
    """Leave artefact.json and precision.json beside the model."""
    data = {
        "format": FORMATS[0],
        "model": MODEL_FILE,
        "form": graph.form,
        "inputs": [spec.to_data() for spec in graph.inputs],
        "outputs": [spec.to_data() for spec in graph.outputs],
        "precision": report["requested"],
    }
    for name, content in ((ARTEFACT_FILE, data), (PRECISION_FILE, report)):
        (ctx.out / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_artefact(folder: Path) -> Artefact:
    """The artefact in a folder; raises DataError for a folder that holds none."""
    listing = folder / ARTEFACT_FILE
    try:
        data = json.loads(listing.read_text(encoding="utf-8"))
        found = Artefact(
            folder / data["model"],
            tuple(TensorSpec.from_data(row) for row in data["inputs"]),
            tuple(TensorSpec.from_data(row) for row in data["outputs"]),
            data["precision"],
        )
    except OSError as error:
        raise DataError("there is no artefact", where=str(listing), next="compile again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("is no artefact", where=str(listing), next="compile again") from error
    if data["format"] not in FORMATS:
        wanted = " or ".join(FORMATS)
        raise DataError(f"format is '{data['format']}', not {wanted}", where=str(listing))
    return found
