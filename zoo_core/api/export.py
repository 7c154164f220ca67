"""Exporters: they make a graph from weights or from a source repository.

The planner calls `stages` and `plan`. They must be pure (no network access, no writing), fast and
free of heavy imports, and raise `UsageError` for requests that they do not support. The functions
that `Stage.run` names do the work and may import anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from zoo_core.api.card import ModelCard
    from zoo_core.api.recognition import FileOutline
    from zoo_core.api.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to export.

    `weights` is `published`, `given` (by the user), `random` or `sample`. `format` is the format of
    the weights file, from its name ending or the card. `files` maps a role (`weights`, `cfg`) to
    "stage/file" in the plan; for random weights it holds at most a `cfg`. `seed` is the seed of
    random weights. `size` is (height, width) and `channels` the number of channels (3, or 1 for
    grey) of the images that the preprocessing makes. `source` is `builtin`, `repo` or a folder.
    `form` is the form of the outputs that the compiler expects: `heads` (raw) or `e2e` (decoded).
    `others` returns another exporter by name, for an exporter that hands over to it; it raises
    `UsageError` for an unknown name.
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
    channels: int = 3
    others: Callable[[str], Exporter] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSettings:
    """What the user's own files say of how to run their network; empty where they say nothing.

    `size` is the input's (height, width), `channels` 1 (grey) or 3, `batch` the images of one run,
    `protocol` holds values of a scoring protocol. With `fixed_size` the network runs with no other
    size; a batch is always the only one. `origins` says for `size`, `channels`, `batch` and each
    of the protocol's values where a file states it, and how: "net.cfg:8 letter_box=1". `quantised`
    is true for a file that has ranges of its own, so that int8 needs no calibration. `outline`
    tells the file's tensors, for a card that leaves the decoder open. `warnings` are one sentence
    each.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    batch: int | None = None
    fixed_size: bool = False
    protocol: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    quantised: bool = False
    outline: FileOutline | None = None
    warnings: tuple[str, ...] = ()


@runtime_checkable
class SettingsReader(Protocol):
    """An optional part of an exporter: it reads the user's own files while a run is planned."""

    def settings(self, card: ModelCard, files: Mapping[str, Path]) -> GivenSettings:
        """What files that the user gave, by role (`weights`, `cfg`), say of how to run them.

        Options of the command go before it, and it goes before the card. Fast and pure, as
        `Exporter.stages` is, but it may read the files. Raises DataError or UsageError for a file
        that cannot be run.
        """


class Exporter(Protocol):
    """Makes a graph from weights or from a source repository."""

    formats: tuple[str, ...]
    """Graph formats it can make, the preferred one first."""

    suffixes: Mapping[str, str]
    """Weights file name ending -> weights format, for files given by hand."""

    companions: Mapping[str, str]
    """Role -> name ending of further files that lie beside the weights, such as cfg -> .cfg."""

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """The stages of an export; the one that makes the graph outputs `graph.json` (see `Graph`).

        If several stages output `graph.json`, the last one counts. A stage may output `verify.json`
        with {"max_abs", "max_rel", "reference"}: the differences between the outputs of the graph
        and those of the source network on a seeded input.
        """


@runtime_checkable
class PartedExporter(Protocol):
    """An exporter whose weights may lie in several files that the first one names."""

    def parts(self, weights: Path) -> Mapping[str, Path]:
        """The other files, by their name relative to the first one's folder.

        They reach the export's stages in the same places, as further `ExportRequest.files`. Raises
        `DataError` for a file that is missing, and for a name that leads out of that folder.
        """
