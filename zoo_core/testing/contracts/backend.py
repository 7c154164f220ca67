"""The contract of a backend: a true, quiet, quick probe."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from zoo_core.plugins.manager import Plugins
from zoo_core.testing.contracts.base import Contract
from zoo_core.testing.contracts.checks import NAME, check_left_no_trace, must
from zoo_core.testing.isolation import Answer, ask

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import Backend


_PARTS = ("compiler", "runtime", "profiler", "emitter")


class BackendContract(Contract):
    """What a backend keeps. Subclass it, set `plugin` and `name`.

    `patience` is how many seconds a probe may take, imports of the plugin included.
    """

    kind: ClassVar[str] = "backend"
    patience: float = 5.0

    def test_its_parts_exist(self) -> None:
        """What it names is provided, by this plugin or an installed one."""
        backend = self._backend()
        parts = {kind: getattr(backend, kind) for kind in _PARTS}
        own, installed = self._plugins(), Plugins.installed()
        for kind, name in parts.items():
            known = name is None or name in own.all(kind) or name in installed.all(kind)
            must(known, f"its {kind} '{name}' is not provided by any plugin")

    def test_precisions_and_options_are_well_formed(self) -> None:
        """Precisions are lower-case and differ; every option says what it is for."""
        backend = self._backend()
        must(backend.precisions, "it has no precision")
        for name in backend.precisions:
            must(NAME.fullmatch(name), f"the precision '{name}' is not lower-case")
            must(backend.precisions.count(name) == 1, f"the precision '{name}' stands twice")
        for option, text in backend.options.items():
            must(text.strip() and "\n" not in text, f"option '{option}' has no one-line text")

    def test_its_probe_is_quiet_quick_and_light(self, tmp_path: Path) -> None:
        """It raises nothing, prints nothing, writes nothing, imports nothing heavy.

        It may import light modules of its own, and start a program.
        """
        self._check(self._probe(tmp_path))

    def test_its_probe_survives_a_bare_machine(self, tmp_path: Path) -> None:
        """An empty PATH, no home, nowhere to find libraries."""
        bare = {"PATH": "", "LD_LIBRARY_PATH": "", "HOME": str(tmp_path / "nowhere")}
        self._check(self._probe(tmp_path, bare))

    def test_its_probe_says_the_same_twice(self) -> None:
        """While nothing has changed."""
        probe = self._backend().probe
        must(probe() == probe(), "its probe differs from call to call")

    def test_its_availability_is_of_use(self, tmp_path: Path) -> None:
        """It says why it is not available, and what to do; devices have ids that differ."""
        availability = self._probe(tmp_path).value or {}
        must(availability.get("devices"), "its probe names no device")
        ids = [device["id"] for device in availability["devices"]]
        must(len(set(ids)) == len(ids), f"two of its devices are named alike: {', '.join(ids)}")
        for device in availability["devices"]:
            clear = device["available"] or device["reason"].strip()
            must(clear, f"device '{device['id']}' is not available and gives no reason")
        if availability["ok"]:
            usable = any(device["available"] for device in availability["devices"])
            must(usable, "it is available, but none of its devices is")
            must(availability["version"], "it is available, but has no version")
        else:
            must(availability["reason"].strip(), "it is not available and gives no reason")
            must(availability["next_step"].strip(), "it is not available and names no next step")

    def _backend(self) -> Backend:
        return self._plugins().backend(self.name)

    def _probe(self, folder: Path, environment: dict[str, str] | None = None) -> Answer:
        return ask(self._question(), folder, environment)

    def _check(self, answer: Answer) -> None:
        check_left_no_trace(replace(answer, started=[], inner=[]), "its probe")
        whole = isinstance(answer.value, dict) and {"ok", "next_step"} <= set(answer.value)
        must(whole, "its probe does not return an Availability")
        must(answer.seconds < self.patience, f"its probe takes {answer.seconds:.1f} s")
