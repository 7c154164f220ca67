"""Graph files, and the tensors that go in and out of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

GRAPH_FILE = "graph.json"
"""The output that identifies the stage that makes the graph."""

Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"
"""Named arrays: a network's outputs, one image's candidates, one image's prediction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Name, shape and dtype (NumPy's spelling) of a tensor; a str dimension is dynamic."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str = "float32"

    @property
    def told(self) -> str:
        """In words: output0 1x84x8400."""
        return f"{self.name} {'x'.join(map(str, self.shape)) or 'of unknown shape'}".strip()

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {"name": self.name, "shape": list(self.shape), "dtype": self.dtype}

    def fits(self, shape: tuple[int, ...], dtype: str) -> bool:
        """Whether an array of this shape and dtype matches."""
        sides = zip(self.shape, shape, strict=False)
        same = len(shape) == len(self.shape) and all(isinstance(a, str) or a == b for a, b in sides)
        return same and dtype == self.dtype

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> TensorSpec:
        """The inverse of `to_data`."""
        return cls(name=data["name"], shape=tuple(data["shape"]), dtype=data["dtype"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The result of an export; stored as `graph.json` beside the file it names.

    `format` is an open string (onnx, torchscript, darknet ...); `path` is relative to the folder
    of `graph.json`. `form` is the form of the outputs: `heads` (raw) or `e2e` (decoded). `facts`
    holds further properties, such as the file's opset. `facts["decoder"]` holds decoder parameters
    that only the exporter knows; they override the card's. `warnings` say what was left out or
    assumed, one sentence each.
    """

    format: str
    path: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    form: str = "heads"
    facts: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def batch(self) -> int:
        """How many images one run takes: what the graph has fixed, else 1."""
        first = self.inputs[0].shape[:1]
        return int(first[0]) if first and not isinstance(first[0], str) else 1

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "format": self.format,
            "path": self.path,
            "inputs": [spec.to_data() for spec in self.inputs],
            "outputs": [spec.to_data() for spec in self.outputs],
            "form": self.form,
            "facts": self.facts,
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Graph:
        """The inverse of `to_data`."""
        return cls(
            format=data["format"],
            path=data["path"],
            inputs=tuple(TensorSpec.from_data(item) for item in data["inputs"]),
            outputs=tuple(TensorSpec.from_data(item) for item in data["outputs"]),
            form=data["form"],
            facts=data["facts"],
            warnings=tuple(data.get("warnings", ())),
        )
