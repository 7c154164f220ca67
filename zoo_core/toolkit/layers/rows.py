"""The rows of layers.json, and the module paths in them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.api.tuning import LAYERS_FILE
from zoo_core.errors import UsageError
from zoo_core.toolkit.files import write_json
from zoo_core.toolkit.layers.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from onnx import NodeProto

    from zoo_core.api import CompileRequest

_SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch's newer exporter writes modules and, last, the operation, as a list in Python."""

_QUOTED = re.compile("'([^']*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One compared tensor: the node that makes it ("" for the network's input), and its sums.

    `whole` compares the whole networks; `own` gives the layer float tensors, so that its error is
    its own; None for a layer that computes in float.
    """

    tensor: str
    node: str
    operator: str
    module: str | None
    precision: str
    whole: Sums = field(default_factory=Sums)
    own: Sums | None = None

    def to_data(self) -> dict[str, Any]:
        """The row of layers.json."""
        own = self.own
        return {
            "tensor": self.tensor,
            "node": self.node,
            "operator": self.operator,
            "module": self.module,
            "precision": self.precision,
            **self.whole.figures(),
            **{f"own_{name}": value for name, value in (own or Sums()).figures().items()},
        }


def check_comparable(request: CompileRequest) -> None:
    """Raises UsageError for a build that is not int8 made from a float graph."""
    precision = request.target.precision
    if precision != "int8":
        what = f"layers are compared where they are int8, and the run is {precision}"
        raise UsageError(what, where="--layers", next="name a run with --precision int8")
    if request.quantised or request.calibration is None:
        what = "the file was quantised by another program: there is no float network to compare"
        raise UsageError(what, where="--layers", next="give the float file of the same network")


def write_layers(folder: Path, images: int, reference: str, layers: Iterable[Layer]) -> None:
    """Leave layers.json; see `write_rows`."""
    write_rows(folder, images, reference, [layer.to_data() for layer in layers])


def write_rows(
    folder: Path, images: int, reference: str, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Leave layers.json, the worst layer first."""
    found = sorted(rows, key=lambda row: math.inf if row["snr_db"] is None else row["snr_db"])
    write_json(folder / LAYERS_FILE, {"images": images, "reference": reference, "layers": found})


def module_of(node: NodeProto) -> str | None:
    """The path of the module that a node came from, as torch.onnx.export tells it; None if not.

    Its older form names a node "/layer1/layer1.0/conv1/Conv": a module of a Sequential has the name
    of that one before its own. The newer form has the modules in the node's metadata.
    """
    for row in node.metadata_props:
        if row.key == _SCOPES:
            scopes = _QUOTED.findall(row.value)[:-1]
            return next((name for name in reversed(scopes) if name), None)
    if not node.name.startswith("/"):
        return None
    parts: list[str] = []
    for part in node.name.split("/")[1:-1]:
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(part)
    return ".".join(parts) or None
