"""One step of a plan, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a plan: data only, so that it can be hashed, printed, pickled and sent elsewhere.

    `run` is "package.module:function", called with a `StageContext`. `inputs` maps an argument to
    "stage/file" of an earlier stage. `outputs` are the files or folders that the function must
    leave in `context.out`. `versions` names packages whose version matters ("torch"). `sources`
    names further modules whose source matters, beyond those that the module of `run` imports from
    zoo packages. All of these enter the stage's key.

    `growing` names parameters of which a larger value only adds to the outputs, such as a number of
    images. `ranges` names inputs of which the stage reads only the slice named in `params`. Their
    size does not enter the key, so adding samples upstream does not invalidate this stage.

    Not in the key: `subject` ("MODEL:BYTES HEIGHTxWIDTH TARGET", which zoo sets; "" for work that
    is the same for all models), `locations` (where things lie on this machine; their content is in
    `params`), `cost` (a rough size of the work, such as a number of images, for estimates),
    `download` (bytes that it fetches where nothing is cached), `notice` (what a person should know
    before it runs, such as whose code runs where; one sentence), `local` (it runs in the command's
    own process, one such stage at a time, because it opens sessions on the device and shares them)
    and `isolated` (it never runs in the command's own process, because native code that it calls
    may end that: an engine that compiles or opens a model for the first time).
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
    subject: str = ""
    locations: Mapping[str, str] = field(default_factory=dict)
    cost: float = 1.0
    download: int = 0
    notice: str = ""
    local: bool = False
    isolated: bool = False

    @property
    def needs(self) -> frozenset[str]:
        """Names of the stages whose outputs it reads."""
        return frozenset(reference.partition("/")[0] for reference in self.inputs.values())


class Progress(Protocol):
    """How a stage reports its progress."""

    def __call__(self, done: float, total: float, note: str = "") -> None:
        """`done` of `total` units are finished; `note` is a few words for the terminal."""
