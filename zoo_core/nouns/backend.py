"""A backend, what it can do here, and what a user asks of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo_core.errors import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One thing a backend can run on; `reason` says why it is not available."""

    id: str
    available: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """What a probe found. `ok` is true when a real device or its host can run the backend."""

    ok: bool
    version: str | None = None
    reason: str = ""
    next_step: str = ""
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A name for a compiler and a runtime, which may be another distribution's.

    `probe` looks at what is installed without importing it; it never raises and never prints.
    `options` names the `--option KEY=VALUE` keys the pair understands, each with one line.
    """

    name: str
    summary: str
    compiler: str
    runtime: str
    precisions: tuple[str, ...]
    probe: Callable[[], Availability]
    profiler: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def found(self) -> Availability:
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

    def to_data(self) -> dict[str, object]:
        """The JSON form, used in keys and reports."""
        return {
            "backend": self.backend,
            "precision": self.precision,
            "device": self.device,
            "batch": self.batch,
            "options": dict(self.options),
        }
