"""The tiny graph through a plugin's compiler, for the contracts of what a backend names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.api import CompileRequest, Target
from zoo_core.plugins.manager import Plugins
from zoo_core.testing.contracts.base import Contract, PlanningContract
from zoo_core.testing.contracts.checks import hinted_refusal, misspelt, must
from zoo_core.testing.examples import (
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
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import Backend, Compiler, Stage
    from zoo_core.testing.contracts.base import Planned


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
        """On the backend's first available device, or the first one where none is available."""
        devices = self.backend.probe().devices
        usable = [device.id for device in devices if device.available]
        return Target(
            backend=self.backend.name,
            precision=self.precision,
            device=(usable or [device.id for device in devices] or ["0"])[0],
            batch=self.batch,
            options=dict(self.options),
        )

    @property
    def calibrated(self) -> bool:
        """Whether the compiler needs calibration images for this precision."""
        return self.compiler.needs_calibration(self.precision)

    def before(self) -> list[Stage]:
        """The stages that make the graph and the calibration images."""
        return [tiny_stage(self.size), *([images_stage()] if self.calibrated else [])]

    def request(self) -> CompileRequest:
        """The request for the compiler or the offline builder."""
        return CompileRequest(
            card=model_card(size=self.size),
            target=self.target,
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


class BackendPart(Contract):
    """A contract for what a backend names: it is tested on the tiny graph of `size` (H, W)."""

    size: tuple[int, int] = SIZE
    batch: int = 1

    def _backend(self) -> Backend:
        """The backend that names the provider."""
        backends = self._plugins().backends().values()
        naming = [b for b in backends if getattr(b, self.kind) == self.name]
        must(naming, f"no backend names the {self.kind} '{self.name}'; set `partners`")
        return naming[0]

    def _available(self) -> Backend:
        """The same; skips the test where it has no device on this machine."""
        backend = self._backend()
        availability = backend.probe()
        if not any(device.available for device in availability.devices):
            pytest.skip(f"backend '{backend.name}' is not available: {availability.reason}")
        return backend

    def _case(self, precision: str) -> TinyCompile:
        backend = self._backend()
        return TinyCompile(
            backend=backend,
            compiler=self._plugins().compiler(backend.compiler),
            precision=precision,
            batch=self.batch,
            size=self.size,
        )

    def _cases(self) -> list[TinyCompile]:
        """One for each precision of the backend."""
        return [self._case(precision) for precision in self._backend().precisions]

    def _artefact(self, folder: Path, precision: str | None = None) -> tuple[Path, Target]:
        """What is compiled once for all tests of a session; `folder` is one test's own."""
        case = self._case(precision or self._available().precisions[0])
        return case.build(folder.parent / "compiled-stages", self._plugins()), case.target


class BuilderContract(BackendPart, PlanningContract):
    """A contract for what plans stages from a graph, for each precision of its backend."""

    def test_an_unknown_option_is_refused(self) -> None:
        """A misspelt `--option` is a UsageError with a hint."""
        wrong = misspelt(self._backend().options)
        for case in self._cases():
            request = replace(case, options={wrong: "1"}).request()
            call = partial(self._provider().stages, request)
            hinted_refusal(call, wrong, f"option '{wrong}' for {case.precision}")

    def _calls(self, folder: Path) -> Iterable[tuple[Any, ...]]:
        return [(case.request(),) for case in self._cases()]

    def _plans(self, folder: Path) -> Iterable[Planned]:
        provider = self._provider()
        return [(case.before(), provider.stages(case.request())) for case in self._cases()]
