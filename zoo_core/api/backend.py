"""Backends: what they can do here, and the compilers, runtimes and tools that they name.

Everything named `stages` or `plan` is called while planning: it must be pure (no network, no
writing), quick, and free of heavy imports; it raises `UsageError` for what it refuses. The
functions that `Stage.run` names do the work and may import anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from zoo_core.errors import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zoo_core.api.card import ModelCard
    from zoo_core.api.evaluation import ScoringProtocol
    from zoo_core.api.graph import Arrays, TensorSpec
    from zoo_core.api.stage import Stage

ARTEFACT_FILE = "artefact.json"
"""The output by which the stage that makes the artefact is known; see `Compiler.stages`."""

PRECISION_FILE = "precision.json"
"""What the compiler did to the precision of each node; see `Compiler.stages`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One thing a backend can run on; `reason` says why it is not available.

    What an `emulated` device finds is labelled so everywhere, is never compared with published
    figures, and has no speed.
    """

    id: str
    available: bool
    reason: str = ""
    emulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """What a probe found. `ok` is true when a real device or its host can run the backend."""

    ok: bool
    version: str | None = None
    reason: str = ""
    next_step: str = ""
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """A decoder by name with its parameters, as data."""

    decoder: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticStep:
    """One step of looking for a device and its software, the cheapest first."""

    name: str
    ok: bool
    found: str
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A name for a compiler and a runtime, which may be another distribution's.

    `probe` looks at what is installed without importing it; it never raises and never prints.
    `options` names the `--option KEY=VALUE` keys the pair understands, each with one line.
    `default` is true for the backend that runs where the user names none.

    What only some backends have is None by default: `profiler` and `emitter` are names of those;
    `decoding` says which decoder reads the outputs where it is not the card's, as where the device
    did the NMS; `needs_graph` is false for a target that brings its own outputs; `facts` are those
    of a device (id) that go with every figure taken on it; `diagnostics` are the steps that
    `zoo doctor` shows. All of them are as quick and as careful as `probe`. `check_device` is called
    with a device (id) that the probe does not list, before anything runs: it may import what it
    needs, and raises UsageError for a name that no device has, UnavailableError for a device that
    is not there.
    """

    name: str
    summary: str
    compiler: str
    runtime: str
    precisions: tuple[str, ...]
    probe: Callable[[], Availability]
    profiler: str | None = None
    emitter: str | None = None
    decoding: Callable[[CompileRequest], Decoding | None] | None = None
    needs_graph: Callable[[Target], bool] | None = None
    facts: Callable[[str], Mapping[str, object]] | None = None
    diagnostics: Callable[[], Sequence[DiagnosticStep]] | None = None
    check_device: Callable[[str], None] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    default: bool = False

    def availability(self) -> Availability:
        """What the probe finds; one that raises all the same makes the backend unavailable."""
        try:
            return self.probe()
        except Exception as error:  # a plugin's any failure is survived
            reason = f"its probe failed: {type(error).__name__}: {first_line(error)}"
            step = "report this to the plugin's author"
            return Availability(ok=False, reason=reason, next_step=step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an artefact is made for and run on."""

    backend: str
    precision: str
    device: str
    batch: int = 1
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that `device` names, with commas between where there are several."""
        return tuple(part.strip() for part in self.device.split(","))

    def to_data(self) -> dict[str, object]:
        """The JSON form, used in keys and reports."""
        return {
            "backend": self.backend,
            "precision": self.precision,
            "device": self.device,
            "batch": self.batch,
            "options": dict(self.options),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRequest:
    """What to compile.

    `graph` is "stage/graph.json"; `format` its format. `calibration` is "stage/images.json" (read
    it with `zoo_core.api.calibration.tensors`) or None when the compiler said it needs none.
    `calibrator` is the user's choice or None; `preprocess` the effective specification as data.
    `others` finds another compiler by its name, for one that builds on it, or raises `UsageError`.
    """

    card: ModelCard
    target: Target
    graph: str
    format: str
    form: str
    calibration: str | None
    calibrator: str | None
    preprocess: Sequence[Mapping[str, Any]]
    protocol: ScoringProtocol
    size: tuple[int, int]
    others: Callable[[str], Compiler] | None = None


class Compiler(Protocol):
    """A graph becomes an artefact."""

    formats: tuple[str, ...]
    """Graph formats it takes, the preferred one first."""

    form: str
    """The graph form it wants: heads or e2e."""

    calibrators: Mapping[str, str]
    """Calibrator name or common alias -> canonical name; the first entry is the default."""

    def needs_calibration(self, precision: str) -> bool:
        """Whether artefacts of this precision are calibrated."""

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """Stages whose last one outputs `artefact.json` and `precision.json`.

        The artefact is that stage's whole folder. `precision.json` says what was done, not what
        was asked: {"requested", "int8_nodes", "float_nodes", "float_node_names", "tool", ...}.
        """


class OfflineBuilder(Protocol):
    """Files that a machine elsewhere needs to compile a graph, made without the vendor's tools."""

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """Stages whose last one is named `emit` and outputs the folder `files`."""


class Session(Protocol):
    """A loaded artefact, ready to run."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    threads: int | None
    """How many threads one run uses; None where that is not known."""

    workers: int
    """How many threads may call `run` at once, and should where many images wait; 1 for one."""

    input_kind: str
    """`tensor`: preprocessed batches. `image`: one image as read, uint8 [1, 3, height, width] in
    RGB, which the device preprocesses by what its artefact holds; batches are then its own affair.
    `name`: the sample's name, str [1], for outputs that another program has stored.
    """

    def run(self, feeds: Arrays) -> Arrays:
        """One batch through the network; arrays are C-contiguous, batch first, in output order.

        Raises `SampleError` where this image alone failed and others can go on, else `StageError`.
        """


class Runtime(Protocol):
    """An artefact becomes tensors."""

    def open(
        self, artefact: Path, target: Target, hint: str = "latency"
    ) -> AbstractContextManager[Session]:
        """Load the artefact folder for the target; raises `UnavailableError` or `StageError`.

        `hint` is `latency`, where one run shall be quick, or `throughput`, where many wait.
        """


class Profiler(Protocol):
    """The vendor's own tool measures an artefact."""

    def profile(
        self, artefact: Path, target: Target, options: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """The tool's figures under its own names, with units in the names, and its raw text."""
