"""What a stage's function receives: the stage's data, and services of the process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api.backend import Runtime, Session, Target
    from zoo_core.api.dataset import Dataset
    from zoo_core.api.evaluation import Decoder, Evaluator
    from zoo_core.api.stage import Progress


class Providers(Protocol):
    """Providers by name; each method raises UsageError or UnavailableError."""

    def dataset(self, name: str) -> Dataset:
        """A data set."""

    def decoder(self, name: str) -> Decoder:
        """A decoder."""

    def evaluator(self, name: str) -> Evaluator:
        """An evaluator."""

    def runtime(self, name: str) -> Runtime:
        """A runtime."""


class Sessions(Protocol):
    """Sessions that the stages of one process share."""

    def session(self, runtime: Runtime, artefact: Path, target: Target) -> Session:
        """The session of this artefact (a folder) for this target, opened for throughput."""


@dataclass(frozen=True, slots=True)
class StageServices:
    """Services of the process that runs a stage; a worker process makes its own."""

    plugins: Providers
    sessions: Sessions
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """The argument of a stage's function.

    `inputs` are paths of earlier outputs. `out` is an empty folder to fill. `log` is a text file
    for details that help after a failure. `resume_dir` is a folder for finished parts: it is kept
    after a failed attempt and removed after a successful one, and may not exist yet. `plugins` and
    `sessions` are for stages that look up providers by name or run networks.
    """

    inputs: Mapping[str, Path]
    params: Mapping[str, Any]
    locations: Mapping[str, str]
    out: Path
    log: Path
    resume_dir: Path
    progress: Progress
    plugins: Providers
    sessions: Sessions

    def paths(self) -> dict[str, Path]:
        """Inputs and locations by argument."""
        return {**self.inputs, **{name: Path(place) for name, place in self.locations.items()}}
