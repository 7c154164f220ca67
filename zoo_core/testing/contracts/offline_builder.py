"""The contract of an offline builder: pure plans, and a folder of files without vendor tools."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from zoo_core.testing.contracts.checks import (
    check_chain,
    check_resolves,
    hinted_refusal,
    misspelt,
    must,
)
from zoo_core.testing.contracts.compiled import BackendPart, TinyCompile
from zoo_core.testing.stages import run_stages

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import OfflineBuilder

_LAST, _FILES = "emit", "files"


class OfflineBuilderContract(BackendPart):
    """What an offline builder keeps. Subclass it, set `plugin` and `name`.

    It is tried on the kit's tiny graph, in each precision of the backend that names it, whether
    that backend has a device here or not; `partners` are the plugins that bring the backend and its
    compiler where this one does not.
    """

    kind: ClassVar[str] = "emitter"

    def test_planning_is_pure_and_light(self, tmp_path: Path) -> None:
        """The same stages from call to call and from process to process; nothing is done."""
        self._check_planning(tmp_path, "stages", *((case.request(),) for case in self._cases()))

    def test_its_stages_resolve_and_chain(self) -> None:
        """The last one is `emit` and outputs the folder `files`."""
        for case in self._cases():
            stages = self._builder().stages(case.request())
            check_resolves(stages)
            check_chain(case.before(), stages)
            last = stages[-1]
            must(last.name == _LAST, f"the last stage is '{last.name}', not '{_LAST}'")
            must(_FILES in last.outputs, f"the last stage does not output the folder '{_FILES}'")

    def test_an_unknown_option_is_refused(self) -> None:
        """A misspelt `--option` is a UsageError with a hint."""
        wrong = misspelt(self._backend().options)
        for case in self._cases():
            request = replace(case, options={wrong: "1"}).request()
            call = partial(self._builder().stages, request)
            hinted_refusal(call, wrong, f"option '{wrong}' for {case.precision}")

    def test_files_come_out_the_same_twice(self, tmp_path: Path) -> None:
        """In every precision; no file is empty or names the folder it was written in."""
        for case in self._cases():
            places = [tmp_path / turn / case.precision for turn in ("first", "second")]
            first, second = (self._files(case, place) for place in places)
            must(first, f"{case.precision}: no file is written")
            for name, data in first.items():
                must(data, f"{case.precision}: {name} is empty")
                inside = str(tmp_path).encode() in data
                must(not inside, f"{case.precision}: {name} names the folder it was written in")
            for name in sorted(set(first) ^ set(second)):
                raise AssertionError(f"{case.precision}: {name} is not written each time")
            for name, data in first.items():
                must(data == second[name], f"{case.precision}: {name} differs from time to time")

    def _files(self, case: TinyCompile, folder: Path) -> dict[str, bytes]:
        stages = [*case.before(), *self._builder().stages(case.request())]
        files = run_stages(stages, folder, self._plugins())[_LAST] / _FILES
        paths = sorted(path for path in files.rglob("*") if path.is_file())
        return {str(path.relative_to(files)): path.read_bytes() for path in paths}

    def _builder(self) -> OfflineBuilder:
        return self._plugins().emitter(self.name)
