"""What the stage `compile` of a file-based engine leaves beside its model, and how it is read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.api import Graph, TensorSpec
from zoo_core.api.graph import GRAPH_FILE
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.files import write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays

ARTEFACT_FILE = "artefact.json"
PRECISION_FILE = "precision.json"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model's file with the tensors that go in and out of it."""

    model: Path
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str


@dataclass(frozen=True, slots=True)
class NodePrecision:
    """One matrix operator: what it computes in, and why that is not int8."""

    name: str
    op: str
    precision: str
    reason: str = ""

    def to_data(self) -> dict[str, str]:
        """The JSON form."""
        return asdict(self)


def read_graph(path: Path) -> Graph:
    """The graph that an earlier stage left as `graph.json`."""
    return Graph.from_data(json.loads(path.read_text(encoding="utf-8")))


def write_graph(folder: Path, graph: Graph) -> Graph:
    """Leave graph.json; returns the graph."""
    write_json(folder / GRAPH_FILE, graph.to_data())
    return graph


def write_artefact(
    folder: Path, form: tuple[str, str], graph: Graph, report: Mapping[str, Any]
) -> None:
    """Leave artefact.json and precision.json; `form` is the format's name and the model's file."""
    data = {
        "format": form[0],
        "model": form[1],
        "form": graph.form,
        "inputs": [spec.to_data() for spec in graph.inputs],
        "outputs": [spec.to_data() for spec in graph.outputs],
        "precision": report["requested"],
    }
    for name, content in ((ARTEFACT_FILE, data), (PRECISION_FILE, report)):
        write_json(folder / name, content)


def read_artefact(folder: Path, formats: Collection[str]) -> Artefact:
    """The artefact in a folder; raises DataError for a folder that holds none of the formats."""
    listing = folder / ARTEFACT_FILE
    try:
        data = json.loads(listing.read_text(encoding="utf-8"))
        artefact = Artefact(
            folder / data["model"],
            tuple(TensorSpec.from_data(row) for row in data["inputs"]),
            tuple(TensorSpec.from_data(row) for row in data["outputs"]),
            data["precision"],
        )
    except OSError as error:
        raise DataError("there is no artefact", where=str(listing), next="compile again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("is not an artefact", where=str(listing), next="compile again") from error
    if data["format"] not in formats:
        expected = " or ".join(formats)
        raise DataError(f"format is '{data['format']}', not {expected}", where=str(listing))
    return artefact


def checked_feeds(inputs: Sequence[TensorSpec], feeds: Arrays) -> dict[str, NDArray[Any]]:
    """The feeds of a session by input name.

    Raises UsageError where one is missing or unknown, or is of another shape or dtype.
    """
    names = [spec.name for spec in inputs]
    for spec in inputs:
        array = feeds.get(spec.name)
        if array is None:
            step = f"given: {', '.join(feeds) or 'nothing'}"
            raise UsageError(f"input '{spec.name}' is not given", next=step)
        if not spec.fits(array.shape, str(array.dtype)):
            actual = f"{array.dtype} {list(array.shape)}"
            expected = f"{spec.dtype} {list(spec.shape)}"
            raise UsageError(f"input '{spec.name}' is {actual}, not {expected}")
    if len(feeds) > len(names):
        unknown = sorted(set(feeds) - set(names))
        raise UsageError(f"unknown input '{unknown[0]}'", next=f"known: {', '.join(names)}")
    return {name: feeds[name] for name in names}


def quantised_already(
    precision: str, graph: Graph, nodes: Sequence[NodePrecision], engine: str
) -> list[str]:
    """The warning of a file that another program has quantised; none for other graphs."""
    known = graph.facts.get("quantised")
    if not known:
        return []
    count = sum(node.precision == "int8" for node in nodes)
    of = "ranges" if known["how"] in ("QDQ", "QOperator") else "scales"
    how = f"{known['how']}, file written by {known['by']}"
    return [
        f"{precision}: the file is quantised already ({how}): its own {of} are used, nothing is "
        f"calibrated; {engine} runs {count or 'none'} of {len(nodes)} matrix operators in int8"
    ]


def precision_report(
    requested: str, nodes: Sequence[NodePrecision], tool: str, warnings: Sequence[str]
) -> dict[str, Any]:
    """The content of precision.json that every compiler of files shares."""
    floats = [node.name for node in nodes if node.precision != "int8"]
    return {
        "requested": requested,
        "int8_nodes": len(nodes) - len(floats),
        "float_nodes": len(floats),
        "float_node_names": floats,
        "nodes": [node.to_data() for node in nodes],
        "tool": tool,
        "warnings": list(warnings),
    }
