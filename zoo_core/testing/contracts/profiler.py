"""The contract of a profiler: figures with units, the tool's own text, errors that are reported."""

from __future__ import annotations

import json
import math
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from zoo_core.errors import ZooError
from zoo_core.testing.contracts.checks import NONSENSE, contents, must, refusal
from zoo_core.testing.contracts.compiled import BackendPart

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.api import Target

UNITS = (
    *("ns", "us", "ms", "s", "qps", "fps", "hz", "khz", "mhz", "ghz", "percent", "share", "images"),
    *("bytes", "kb", "mb", "gb", "kib", "mib", "gib", "w", "mw", "j", "mj", "c", "flops", "macs"),
)
"""Last words of a figure's name, after an underscore, that say what it is counted in."""


class ProfilerContract(BackendPart):
    """What a profiler keeps. Subclass it, set `plugin` and `name`.

    It measures what the compiler of its backend makes of the kit's tiny graph; `partners` are the
    plugins that bring that compiler where this one does not. `options` are the tool's.
    """

    kind: ClassVar[str] = "profiler"
    options: Mapping[str, str] = MappingProxyType({})

    def test_it_reports_figures(self, tmp_path: Path) -> None:
        """Data that JSON can hold, with at least one number; all are finite and at least 0."""
        report = self._profile(*self._artefact(tmp_path))
        try:
            back = json.loads(json.dumps(report, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise AssertionError(f"it reports what JSON cannot hold: {error}") from error
        must(back == report, "what it reports is changed by JSON")
        numbers = _numbers(report)
        must(numbers, "it reports no figure")
        for name, value in numbers.items():
            must(math.isfinite(value) and value >= 0, f"{name} is {value}")

    def test_units_are_in_the_names(self, tmp_path: Path) -> None:
        """Of every figure that is measured; counts, which are whole, may do without."""
        for name, value in _numbers(self._profile(*self._artefact(tmp_path))).items():
            good = isinstance(value, int) or name.rpartition("_")[2] in UNITS
            must(good, f"the name of {name} = {value} ends in no unit, such as _us or _qps")

    def test_it_keeps_the_raw_text(self, tmp_path: Path) -> None:
        """What the tool printed goes into a file beside the report: keys that begin with `raw`."""
        report = self._profile(*self._artefact(tmp_path))
        raw = [value for key, value in report.items() if key.startswith("raw")]
        must(all(isinstance(text, str) for text in raw), "its raw text is not a string")
        must(any(text.strip() for text in raw), "it keeps no raw text of the tool")

    def test_it_reports_the_same_names_twice(self, tmp_path: Path) -> None:
        """And prints nothing; zoo shows what it reports."""
        artefact, target = self._artefact(tmp_path)
        output = StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            first, second = self._profile(artefact, target), self._profile(artefact, target)
        must(list(first) == list(second), "it reports other things the second time")
        must(list(_numbers(first)) == list(_numbers(second)), "it has other figures each time")
        must(not output.getvalue(), f"it prints {output.getvalue().strip()}")

    def test_it_leaves_the_artefact_alone(self, tmp_path: Path) -> None:
        """No file in its folder is changed, added or removed."""
        artefact, target = self._artefact(tmp_path)
        before = contents(artefact)
        self._profile(artefact, target)
        changed = dict(contents(artefact).items() ^ before.items())
        must(not changed, f"it changes the artefact: {', '.join(sorted(changed))}")

    def test_what_is_no_artefact_is_refused(self, tmp_path: Path) -> None:
        """An empty folder is a ZooError."""
        _, target = self._artefact(tmp_path)
        empty = tmp_path / "empty"
        empty.mkdir()
        refusal(lambda: self._profile(empty, target), ZooError, "an empty folder")

    def test_an_unknown_device_is_refused(self, tmp_path: Path) -> None:
        """With a ZooError, whatever it stands for."""
        artefact, target = self._artefact(tmp_path)
        away = replace(target, device=NONSENSE)
        refusal(lambda: self._profile(artefact, away), ZooError, "an unknown device")

    def _profile(self, artefact: Path, target: Target) -> dict[str, Any]:
        return dict(self._provider().profile(artefact, target, self.options))


def _numbers(report: Mapping[str, Any]) -> dict[str, int | float]:
    """The figures as a report shows them: under `figures`, or the outermost ones."""
    figures = report.get("figures", report)
    return {
        name: value
        for name, value in figures.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
