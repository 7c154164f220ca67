"""A backend, what it can do here, and what a user asks of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo_core.errors import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo_core.api.contracts import CompileRequest


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
