"""The tiny graph through a plugin's compiler, for the contracts of compilers and runtimes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from zoo_core.api import CompileRequest, Target
from zoo_core.plugins.manager import Plugins
from zoo_core.testing.given import (
    IMAGES_STAGE,
    SIZE,
    TINY_STAGE,
    images_stage,
    model_card,
    preprocess,
    protocol,
    tiny_stage,
)
from zoo_core.testing.stages import run_stages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import Backend, Compiler, Stage

ARTEFACT_FILE = "artefact.json"
PRECISION_FILE = "precision.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyCompile:
    """One compilation of the tiny graph; `batch` images go in at once."""

    backend: Backend
    compiler: Compiler
    precision: str
    batch: int = 1
    size: tuple[int, int] = SIZE
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """On the backend's first device that is there."""
        devices = self.backend.probe().devices
        usable = [device.id for device in devices if device.available]
        return Target(
            backend=self.backend.name,
            precision=self.precision,
            device=(usable or [devices[0].id])[0],
            batch=self.batch,
            options=dict(self.options),
        )

    @property
    def calibrated(self) -> bool:
        """Whether the compiler wants images for this."""
        return self.compiler.needs_calibration(self.precision)

    def before(self) -> list[Stage]:
        """The stages that make the graph and the calibration images."""
        return [tiny_stage(self.size), *([images_stage()] if self.calibrated else [])]

    def request(self, target: Target | None = None) -> CompileRequest:
        """What the compiler is asked, for its own target or another one."""
        return CompileRequest(
            card=model_card(size=self.size),
            target=target or self.target,
            graph=f"{TINY_STAGE}/graph.json",
            format="onnx",
            form="heads",
            calibration=f"{IMAGES_STAGE}/images.json" if self.calibrated else None,
            calibrator=None,
            preprocess=preprocess(self.size),
            protocol=protocol(),
            size=self.size,
            others=installed_compiler,
        )

    def stages(self) -> Sequence[Stage]:
        """The compiler's own stages."""
        return self.compiler.stages(self.request())

    def build(self, folder: Path, plugins: Plugins) -> Path:
        """The artefact's folder."""
        stages = self.stages()
        return run_stages([*self.before(), *stages], folder, plugins)[stages[-1].name]


def installed_compiler(name: str) -> Compiler:
    """Another compiler, for one that builds on it; a function of a module can be pickled."""
    return Plugins.installed().compiler(name)


def require_here(backend: Backend) -> None:
    """Skips the test where the backend has no device on this machine."""
    found = backend.probe()
    if not any(device.available for device in found.devices):
        pytest.skip(f"backend '{backend.name}' is not available here: {found.reason}")
