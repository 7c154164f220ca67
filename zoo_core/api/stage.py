"""One step of a plan, as data; and what the step's function sees when it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.pipeline.sessions import SessionPool
    from zoo_core.plugins.manager import Plugins


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step as data: hashable by content, printable, free of imports.

    `run` is "package.module:function", called with a `StageContext`. `inputs` maps an argument to
    "stage/file" of an earlier stage. `outputs` are the files or folders the function must leave in
    `context.out`. `versions` names packages whose version matters ("torch"). `sources` names
    further modules whose source matters, beyond those that the module of `run` imports from zoo
    packages. All that enters the stage's key.

    `growing` names parameters of which a larger value only adds to the outputs, such as a number of
    images; `ranges` names inputs of which only a range is read that `params` tell. Into the key of
    a stage with ranges goes what those inputs are made from without what only lets them grow: the
    range stays the same when more is made.

    Not in the key: `locations` (where things lie on this machine; their content is told by
    `params`), `cost` (a rough size of the work, such as a number of images, for estimates) and
    `download` (bytes it fetches where nothing is cached).
    """

    name: str
    run: str
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    growing: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    locations: Mapping[str, str] = field(default_factory=dict)
    cost: float = 1.0
    download: int = 0


class Progress(Protocol):
    """How a stage tells how far it is."""

    def __call__(self, done: float, total: float, note: str = "") -> None:
        """`done` of `total` units are finished; `note` is a few words for the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """All that a stage's function sees.

    `inputs` are paths of earlier outputs; `out` is an empty folder to fill; `log` is a text file
    for whatever a person would want after a failure. `resume_dir` is a folder, perhaps not there
    yet, that outlives a failed attempt and is removed with success: finished parts can be kept in
    it.
    `plugins` and `sessions` are for stages that look up providers by name and run networks.
    """

    inputs: Mapping[str, Path]
    params: Mapping[str, Any]
    locations: Mapping[str, str]
    out: Path
    log: Path
    resume_dir: Path
    progress: Progress
    plugins: Plugins
    sessions: SessionPool

    def paths(self) -> dict[str, Path]:
        """Inputs and locations by argument."""
        return {**self.inputs, **{name: Path(place) for name, place in self.locations.items()}}
