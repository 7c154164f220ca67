"""The contract of an emitter: pure plans, and a folder of files, without the vendor's tools."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from zoo_core.api import Target
from zoo_core.testing.contracts.checks import (
    backend_with,
    check_chain,
    check_planning,
    check_resolves,
    hinted_refusal,
    misspelt,
    must,
    plugins_of,
)
from zoo_core.testing.contracts.compiled import TinyCompile
from zoo_core.testing.contracts.isolated import Isolated
from zoo_core.testing.given import SIZE
from zoo_core.testing.stages import run_stages
from zoo_core.testing.watched import Question

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from zoo_core.api import Backend, CompileRequest, OfflineBuilder
    from zoo_core.plugins.manager import Plugins

_LAST, _FILES = "emit", "files"


class OfflineBuilderContract(Isolated):
    """What an emitter keeps. Subclass it, set `plugin` and `name`.

    It is tried on the kit's tiny graph, in each precision of the backend that names it, whether
    that backend has a device here or not; `partners` are the plugins that give the backend and its
    compiler where this one does not.
    """

    plugin: ModuleType
    name: str
    partners: tuple[ModuleType, ...] = ()
    size: tuple[int, int] = SIZE

    def test_planning_is_pure_and_light(self, tmp_path: Path) -> None:
        """The same stages from call to call and from process to process; nothing is done."""
        for case in self._cases():
            request = self._request(case)
            question = Question(
                plugin=self.plugin.__name__,
                kind="emitter",
                name=self.name,
                method="stages",
                arguments=(request,),
            )
            check_planning(question, partial(self._emitter().stages, request), tmp_path)

    def test_its_stages_resolve_and_chain(self) -> None:
        """The last one is `emit` and outputs the folder `files`."""
        for case in self._cases():
            stages = self._emitter().stages(self._request(case))
            check_resolves(stages)
            check_chain(case.before(), stages)
            last = stages[-1]
            must(last.name == _LAST, f"the last stage is '{last.name}', not '{_LAST}'")
            must(_FILES in last.outputs, f"the last stage does not output the folder '{_FILES}'")

    def test_an_unknown_option_is_refused(self) -> None:
        """A misspelt `--option` is a UsageError with a hint."""
        wrong = misspelt(self._backend().options)
        for case in self._cases():
            request = self._request(case)
            asked = replace(request, target=replace(request.target, options={wrong: "1"}))
            hinted_refusal(
                partial(self._emitter().stages, asked),
                wrong,
                f"option '{wrong}' for {case.precision}",
            )

    def test_files_come_out_the_same_twice(self, tmp_path: Path) -> None:
        """In every precision; none is empty, none names the folder it was written in."""
        for case in self._cases():
            places = [tmp_path / turn / case.precision for turn in ("first", "second")]
            first, second = (self._emitted(case, place) for place in places)
            must(first, f"{case.precision}: no file is emitted")
            for name, data in first.items():
                must(data, f"{case.precision}: {name} is empty")
                inside = str(tmp_path).encode() in data
                must(not inside, f"{case.precision}: {name} names the folder it was written in")
            for name in sorted(set(first) ^ set(second)):
                raise AssertionError(f"{case.precision}: {name} is not emitted each time")
            for name, data in first.items():
                must(data == second[name], f"{case.precision}: {name} differs from time to time")

    def _emitted(self, case: TinyCompile, folder: Path) -> dict[str, bytes]:
        stages = [*case.before(), *self._emitter().stages(self._request(case))]
        files = run_stages(stages, folder, self._plugins())[_LAST] / _FILES
        paths = sorted(path for path in files.rglob("*") if path.is_file())
        return {str(path.relative_to(files)): path.read_bytes() for path in paths}

    def _request(self, case: TinyCompile) -> CompileRequest:
        """On a device of the backend, which need not be there."""
        devices = [device.id for device in case.backend.probe().devices]
        target = Target(
            backend=case.backend.name,
            precision=case.precision,
            device=devices[0] if devices else "0",
            options=dict(case.options),
        )
        return case.request(target)

    def _emitter(self) -> OfflineBuilder:
        return self._plugins().emitter(self.name)

    def _plugins(self) -> Plugins:
        return plugins_of(self.plugin, self.partners)

    def _backend(self) -> Backend:
        return backend_with(self._plugins(), "emitter", self.name)

    def _cases(self) -> list[TinyCompile]:
        plugins, backend = self._plugins(), self._backend()
        compiler = plugins.compiler(backend.compiler)
        return [
            TinyCompile(backend=backend, compiler=compiler, precision=precision, size=self.size)
            for precision in backend.precisions
        ]
