"""Exporters: weights or a source repository become a graph.

Everything named `stages` or `plan` is called while planning: it must be pure (no network, no
writing), quick, and free of heavy imports; it raises `UsageError` for what it refuses. The
functions that `Stage.run` names do the work and may import anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api.card import ModelCard
    from zoo_core.api.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to export.

    `weights` is published, given, random or sample; `format` is that of the weights file, by its
    name ending or its card; `files` maps a role (`weights`, `cfg`) to "stage/file" in the plan, and
    is empty for random weights but for a cfg. `seed` is that of random weights. `size` is (height,
    width). `source` is builtin, repo, or a folder. `form` is heads or e2e, as the compiler wants
    it.
    """

    weights: str
    format: str
    files: Mapping[str, str]
    seed: int
    size: tuple[int, int]
    classes: int
    source: str
    form: str
    options: Mapping[str, str] = field(default_factory=dict)


class Exporter(Protocol):
    """Weights or a source repository become a graph."""

    formats: tuple[str, ...]
    """Graph formats it can make, the preferred one first."""

    suffixes: Mapping[str, str]
    """Weights file name ending -> weights format, for files given by hand."""

    companions: Mapping[str, str]
    """Role -> name ending of further files that lie beside the weights, such as cfg -> .cfg."""

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """Stages whose last graph-making one outputs `graph.json` (see `Graph`).

        A `verify.json` output of any stage holds {"max_abs", "max_rel", "reference"}: the graph
        against the network it was made from, on a seeded input.
        """
