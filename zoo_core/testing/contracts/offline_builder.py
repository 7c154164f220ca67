"""The contract of an offline builder: pure plans, and a folder of files without vendor tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from zoo_core.testing.contracts.checks import contents, must
from zoo_core.testing.contracts.compiled import BuilderContract, TinyCompile
from zoo_core.testing.stages import run_stages

if TYPE_CHECKING:
    from pathlib import Path

_FILES = "files"


class OfflineBuilderContract(BuilderContract):
    """What an offline builder keeps. Subclass it, set `plugin` and `name`.

    It is tried on the kit's tiny graph, in each precision of the backend that names it, whether
    that backend has a device here or not; `partners` are the plugins that bring the backend and its
    compiler where this one does not.
    """

    kind: ClassVar[str] = "emitter"
    last, leaves = "emit", (_FILES,)

    def test_files_come_out_the_same_twice(self, tmp_path: Path) -> None:
        """In every precision; no file is empty or names the folder it was written in."""
        for case in self._cases():
            places = [tmp_path / turn / case.precision for turn in ("first", "second")]
            first, second = (self._files(case, place) for place in places)
            must(first, f"{case.precision}: no file is written")
            for name in sorted(set(first) ^ set(second)):
                raise AssertionError(f"{case.precision}: {name} is not written each time")
            for name, data in first.items():
                must(data, f"{case.precision}: {name} is empty")
                inside = str(tmp_path).encode() in data
                must(not inside, f"{case.precision}: {name} names the folder it was written in")
                must(data == second[name], f"{case.precision}: {name} differs from time to time")

    def _files(self, case: TinyCompile, folder: Path) -> dict[str, bytes]:
        stages = [*case.before(), *self._provider().stages(case.request())]
        return contents(run_stages(stages, folder, self._plugins())[self.last] / _FILES)
