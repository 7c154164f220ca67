"""`python -m zoo_core.testing.kit NAME`: every contract of an installed plugin, a line a check.

Contract classes of the plugin's own tests are used where its checkout has them; for what they leave
out, and for a plugin without them, there are those of `zoo_core.testing.generic`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.errors import ZooError
from zoo_core.testing.contracts.isolated import Isolated
from zoo_core.testing.generic import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GENERIC = "test_generic.py"
_MODULE = """from zoo_core.testing.generic import Subject

globals().update(Subject.of({name!r}).classes())
"""
_INI = "[pytest]\naddopts =\n"
_OPTIONS = (
    "--import-mode=importlib",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:terminal",
    "-W",
    "ignore",
)
_FIXTURES = ("-p", "zoo_core.testing.fixtures")


def main(name: str) -> int:
    """Prints the checks on stdout and a summary on stderr: 0 all kept, 1 not, 2 no such plugin."""
    os.environ["ZOO_OFFLINE"] = "1"
    try:
        subject = Subject.of(name)
    except ZooError as error:
        sys.stderr.write(f"zoo: {error}\n")
        return error.exit_code
    except RuntimeError as error:  # a plugin that could not be loaded
        print(f"FAIL  plugin {name}: it registers: {error}")
        return 1
    outline = Outline(subject.plugin.name)
    with tempfile.TemporaryDirectory(prefix="zoo-plugins-test-") as folder:
        place = Path(folder)
        (place / _GENERIC).write_text(_MODULE.format(name=subject.plugin.name), encoding="utf-8")
        (place / "pytest.ini").write_text(_INI, encoding="utf-8")
        own = [str(path) for path in own_tests(Path(str(subject.module.__file__)))]
        arguments = [*_OPTIONS, *_FIXTURES, "-c", str(place / "pytest.ini")]
        base = ["--basetemp", str(place / "work")]
        code = pytest.main([*arguments, *base, str(place / _GENERIC), *own], [outline])
    sys.stderr.write(f"{outline.summary()}\n")
    if code == pytest.ExitCode.INTERRUPTED:
        return 1 if outline.broken else 130
    return 0 if code == pytest.ExitCode.OK and outline.kept and not outline.broken else 1


def own_tests(module: Path) -> list[Path]:
    """Test files with contracts in the checkout that a package lies in; none elsewhere."""
    project = module.parent.parent
    if not (project / "pyproject.toml").is_file():
        return []
    files = sorted((project / "tests").glob("test_*.py"))
    return [path for path in files if "Contract" in path.read_text(encoding="utf-8")]


class Outline:
    """A pytest plugin: chooses the checks of contracts, and says one line for each."""

    def __init__(self, plugin: str) -> None:
        """Counts from zero."""
        self.kept = self.broken = self.skipped = 0
        self._plugin = plugin
        self._said: set[str] = set()

    def summary(self) -> str:
        """How many checks there were."""
        return f"{self._plugin}: {self.kept} kept, {self.broken} broken, {self.skipped} skipped"

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leaves checks of contracts only, and generic ones only where there is no other."""
        checks = [item for item in items if contract_of(item)]
        own = {contract_of(item) for item in checks if item.path.name != _GENERIC}
        items[:] = [c for c in checks if c.path.name != _GENERIC or contract_of(c) not in own]

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Keeps the words for its reports."""
        item.user_properties.append(("says", _words(item)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported is a broken check."""
        if report.failed:
            self._say("FAIL", report.nodeid or "tests", "they are imported", _cause(report))
            self.broken += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The line of a check, when it is over."""
        says = dict(report.user_properties).get("says", report.nodeid)
        if report.failed:
            self.broken += report.nodeid not in self._said
            self._say("FAIL", str(says), _cause(report))
            self._said.add(report.nodeid)
        elif report.skipped:
            self.skipped += 1
            self._say("skip", str(says), _reason(report))
        elif report.when == "call":
            self.kept += 1
            self._say("ok", str(says))

    def _say(self, sign: str, *words: str) -> None:
        print(f"{sign:<5} {': '.join(words)}", flush=True)


def contract_of(item: pytest.Item) -> tuple[str, str] | None:
    """The contract that a check belongs to, and the provider it is about; None for other tests."""
    kind = getattr(item, "cls", None)
    if kind is None or not issubclass(kind, Isolated):
        return None
    names = [base.__name__ for base in kind.__mro__ if base.__name__.endswith("Contract")]
    return (names[-1], str(getattr(kind, "name", ""))) if names else None


def _words(item: pytest.Item) -> str:
    contract, name = contract_of(item) or ("", "")
    kind = contract.removeprefix("Task").removesuffix("Contract").lower()
    subject = f"{kind} {name}".strip()
    title = item.parent.name if item.parent else ""
    by = f" [{title}]" if item.path.name != _GENERIC else ""
    return f"{subject}{by}: {item.name.removeprefix('test_').replace('_', ' ')}"


def _cause(report: pytest.CollectReport | pytest.TestReport) -> str:
    crash: Any = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr).strip().splitlines()[-1]
    return str(text.removeprefix("AssertionError: ").splitlines()[0])


def _reason(report: pytest.TestReport) -> str:
    last: Iterable[Any] = report.longrepr if isinstance(report.longrepr, tuple) else ("",)
    return str([*last][-1]).removeprefix("Skipped: ")


def _arguments(arguments: Sequence[str]) -> str:
    (name,) = arguments
    return name


if __name__ == "__main__":
    sys.exit(main(_arguments(sys.argv[1:])))
