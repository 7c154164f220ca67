"""Backends, and the compilers, runtimes and tools that they name.

The planner calls `stages` and `plan`. They must be pure (no network access, no writing), fast and
free of heavy imports, and raise `UsageError` for requests that they do not support. The functions
that `Stage.run` names do the work and may import anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zoo_core.errors import first_line, raise_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zoo_core.api.card import ModelCard
    from zoo_core.api.evaluation import Predictions, ScoringProtocol
    from zoo_core.api.graph import Arrays, TensorSpec
    from zoo_core.api.provider import Provider
    from zoo_core.api.stage import Stage

ARTEFACT_FILE = "artefact.json"
"""The output by which the stage that makes the artefact is known; see `Compiler.stages`."""

PRECISION_FILE = "precision.json"
"""What the compiler did to the precision of each node; see `Compiler.stages`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that a backend can run on; `reason` says why it is not available.

    Results of an `emulated` device are labelled as emulated in every report and are never compared
    with published figures; its speed is not measured.
    """

    id: str
    available: bool
    reason: str = ""
    emulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """The result of a probe; `ok` is true if a real device or its host can run the backend."""

    ok: bool
    version: str | None = None
    reason: str = ""
    next_step: str = ""
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """The name of a decoder and its parameters."""

    decoder: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticStep:
    """One step of the search for a device and its software; `state` is the result in words."""

    name: str
    ok: bool
    state: str
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A named pair of a compiler and a runtime; both may come from other distributions.

    `probe` checks what is installed without importing it; it never raises and never prints.
    `options` maps the keys of `--option KEY=VALUE` that the pair supports to one line of help.
    `default` is true for the backend that runs if the user names none.

    Optional members are None by default. `profiler` and `emitter` are names of such providers.
    `decoding` names the decoder of the outputs if it is not the card's, for example because the
    device does the NMS. `needs_graph` is false for a target that brings stored outputs. `facts`
    returns properties of a device (by id) for the report. `diagnostics` returns the steps that
    `zoo doctor` shows. All of these are fast and do not import what they check; only `decoding` may
    raise (UsageError).

    `check_device` is called before a run with a device (id) that the probe does not list. It may
    import what it needs. It raises UsageError for an unknown device name and UnavailableError for a
    device that is not present.
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
        """The result of the probe; a probe that raises makes the backend unavailable."""
        try:
            return self.probe()
        except BaseException as error:  # whatever a plugin raises
            raise_ctrl_c(error)
            reason = f"the probe failed: {type(error).__name__}: {first_line(error)}"
            step = "report this to the plugin's author"
            return Availability(ok=False, reason=reason, next_step=step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an artefact is compiled for: backend, precision, device, batch size and options."""

    backend: str
    precision: str
    device: str
    batch: int = 1
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that `device` names, separated by commas."""
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

    `graph` is "stage/graph.json", `format` the graph's format and `form` the form of its outputs.
    `calibration` is "stage/images.json" (read it with `zoo_core.api.calibration.tensors`), or None
    if the compiler needs no calibration. `calibrator` is the user's choice or None. `preprocess` is
    the effective preprocessing in its data form. `others` returns another compiler by name, for a
    compiler that builds on it; it raises `UsageError` for an unknown name. `quantised` is true for
    a graph whose file has ranges of its own, if the compiler has a true `takes_quantised`; there
    are no calibration images then.
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
    quantised: bool = False


class Compiler(Protocol):
    """Makes an artefact from a graph.

    Optional is `takes_quantised`: true where graphs that another program has quantised are taken
    with their own ranges; see `CompileRequest`.
    """

    formats: tuple[str, ...]
    """Graph formats that it supports, the preferred one first."""

    form: str
    """The form of outputs that it expects: `heads` or `e2e`."""

    calibrators: Mapping[str, str]
    """Calibrator name or common alias -> canonical name; the first entry is the default."""

    def needs_calibration(self, precision: str) -> bool:
        """Whether this precision needs calibration images."""

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """The stages of a compilation; the last one outputs `artefact.json` and `precision.json`.

        The artefact is the whole folder of that stage. `precision.json` records the precision of
        the compiled nodes, not the requested one:
        {"requested", "int8_nodes", "float_nodes", "float_node_names", "tool", ...}.
        """


class OfflineBuilder(Protocol):
    """Writes the files that another machine needs to compile a graph with the vendor's tools."""

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """The stages; the last one is named `emit` and outputs the folder `files`."""


class Session(Protocol):
    """A loaded artefact that can be run."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    threads: int | None
    """Number of threads that one run uses; None if unknown."""

    workers: int
    """Recommended number of threads calling `run` concurrently; 1 if not thread-safe."""

    input_kind: str
    """`tensor`: preprocessed batches. `image`: one image as read, uint8 [1, 3, height, width] in
    RGB, which the device preprocesses as the artefact specifies; the session batches internally.
    `name`: the sample's name, str [1], for outputs that another program has stored.
    """

    def run(self, feeds: Arrays) -> Arrays:
        """Run one batch; arrays are C-contiguous, batch first, in the order of `outputs`.

        Raises `SampleError` if only this image failed and others can be run, else `StageError`.
        """


class Runtime(Protocol):
    """Loads artefacts and runs them."""

    def open(
        self, artefact: Path, target: Target, hint: str = "latency"
    ) -> AbstractContextManager[Session]:
        """Load the artefact folder for the target; raises `UnavailableError` or `StageError`.

        `hint` is `latency` (optimise the time of one run) or `throughput` (optimise many runs).
        """


@runtime_checkable
class Portable(Protocol):
    """Optional protocol of a runtime whose artefacts run without zoo: for `zoo package`."""

    portable: str
    """"module:function" that opens an artefact with NumPy and the engine alone:
    (folder: Path, target: Mapping[str, Any]) -> function from a batch to its outputs by name, batch
    first. `target` is `Target.to_data()`. Its source is copied with what it calls of zoo; it
    imports the engine in its body.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest:
    """What `zoo package` gives to the plugin that writes the package into `folder`.

    `opener` is `Portable.portable`; the artefact of `target` lies in `folder`/artefact. `protocol`
    are the values that the evaluator takes, `report` is the run's in its JSON form. `count` of
    the `predictions` become golden inputs, with `images` where the licence of these allows it;
    `weights` are the user's files.
    """

    folder: Path
    card: ModelCard
    report: Mapping[str, Any]
    opener: str
    target: Mapping[str, Any]
    preprocess: Sequence[Mapping[str, Any]]
    decoder: Provider[object]
    decoder_params: Mapping[str, Any]
    floor: float
    evaluator: Provider[object]
    protocol: Mapping[str, Any]
    predictions: Predictions
    count: int = 4
    images: bool = True
    weights: tuple[Path, ...] = ()


class Profiler(Protocol):
    """Measures an artefact with the vendor's own tool."""

    def profile(
        self, artefact: Path, target: Target, options: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """The tool's figures under its own names, units included, and its raw text output."""
