"""`python -m zoo_core.testing.kit NAME`: the contract tests of an installed plugin, a line a check.

Contract classes of the plugin's own tests are used where its checkout has them; without these, the
contract of every plugin is checked. Providers without a contract class are named, with the class to
subclass and lines to paste.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.errors import ZooError
from zoo_core.plugins.manager import Plugins
from zoo_core.plugins.plugin import find_plugin
from zoo_core.testing.advice import advice
from zoo_core.testing.contracts.base import Contract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.plugins.plugin import Plugin

_USUAL = "test_of_every_plugin.py"
_MODULE = """import {module}
from zoo_core.testing import PluginContract

class TestPlugin(PluginContract):
    plugin, distribution = {module}, {distribution!r}
"""
_INI = "[pytest]\naddopts =\n"
_OPTIONS = (
    "--import-mode=importlib",
    *("-p", "no:cacheprovider"),
    *("-p", "no:terminal"),
    *("-p", "zoo_core.testing.fixtures"),
    *("-W", "ignore"),
)


def main(name: str) -> int:
    """Prints the checks on stdout and a summary on stderr: 0 all kept, 1 not, 2 no such plugin."""
    os.environ["ZOO_OFFLINE"] = "1"
    try:
        plugins = Plugins.installed()
        plugins.provided(find_plugin(name, plugins.plugins))  # marks it if a hook fails
        plugin = find_plugin(name, plugins.plugins)
    except ZooError as error:
        sys.stderr.write(f"zoo: {error}\n")
        return error.exit_code
    if plugin.failure:
        print(f"FAIL  plugin {name}: it registers: {plugin.failure}")
        return 1
    outline = Outline(plugin.name)
    code = _run(plugin, outline)
    if code == pytest.ExitCode.INTERRUPTED:
        sys.stderr.write(f"{outline.summary()}\n")
        return 1 if outline.broken else 130
    provided = plugins.provided(plugin)
    outline.advise(plugins, plugin.module, [(k, n) for k, names in provided.items() for n in names])
    sys.stderr.write(f"{outline.summary()}\n")
    return 0 if code == pytest.ExitCode.OK and outline.kept and not outline.broken else 1


def _run(plugin: Plugin, outline: Outline) -> int:
    module = import_module(plugin.module)
    with tempfile.TemporaryDirectory(prefix="zoo-plugins-test-") as folder:
        place = Path(folder)
        usual, ini = place / _USUAL, place / "pytest.ini"
        text = _MODULE.format(module=plugin.module, distribution=plugin.distribution or None)
        usual.write_text(text, encoding="utf-8")
        ini.write_text(_INI, encoding="utf-8")
        files = [str(usual), *map(str, own_tests(Path(str(module.__file__))))]
        places = ("-c", str(ini), "--basetemp", str(place / "work"))
        return pytest.main([*_OPTIONS, *places, *files], [outline])


def own_tests(module: Path) -> list[Path]:
    """Test files with contracts in the checkout that a package lies in; none elsewhere."""
    project = module.parent.parent
    if not (project / "pyproject.toml").is_file():
        return []
    files = sorted((project / "tests").glob("test_*.py"))
    return [path for path in files if "Contract" in path.read_text(encoding="utf-8")]


class Outline:
    """A pytest plugin: chooses the checks of contracts, and prints one line for each."""

    def __init__(self, plugin: str) -> None:
        """Counts from zero."""
        self.kept = self.broken = self.skipped = 0
        self._plugin = plugin
        self._tested: set[tuple[str, str]] = set()
        self._reported: set[str] = set()

    def summary(self) -> str:
        """How many checks there were."""
        return f"{self._plugin}: {self.kept} kept, {self.broken} broken, {self.skipped} skipped"

    def advise(self, plugins: Plugins, module: str, providers: Iterable[tuple[str, str]]) -> None:
        """Names the providers (kind, name) that no check was about, and how to test them."""
        untested = [provider for provider in providers if provider not in self._tested]
        for sentence, lines in advice(plugins, module, untested):
            self.skipped += 1
            self._print("skip", sentence)
            print(indent(lines, " " * 6), flush=True)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leaves checks of contracts only; those of every plugin once."""
        checks = [item for item in items if provider_of(item)]
        own = {provider_of(item) for item in checks if item.path.name != _USUAL}
        items[:] = [c for c in checks if c.path.name != _USUAL or provider_of(c) not in own]
        self._tested = {provider for item in items if (provider := provider_of(item))}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Keeps the words for its reports."""
        item.user_properties.append(("title", _title(item)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported is a broken check."""
        if report.failed:
            self._print("FAIL", report.nodeid or "tests", "they are imported", _cause(report))
            self.broken += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The line of a check, when it is over."""
        title = str(dict(report.user_properties).get("title", report.nodeid))
        if report.failed:
            self.broken += report.nodeid not in self._reported
            self._print("FAIL", title, _cause(report))
            self._reported.add(report.nodeid)
        elif report.skipped:
            self.skipped += 1
            reason: Any = report.longrepr
            self._print("skip", title, str(reason[-1]).removeprefix("Skipped: "))
        elif report.when == "call":
            self.kept += 1
            self._print("ok", title)

    def _print(self, sign: str, *words: str) -> None:
        print(f"{sign:<5} {': '.join(words)}", flush=True)


def provider_of(item: pytest.Item) -> tuple[str, str] | None:
    """Kind and name of the provider that a contract's check is about; None for other tests."""
    contract = getattr(item, "cls", None)
    if contract is None or not issubclass(contract, Contract):
        return None
    return contract.kind, contract.name


def _title(item: pytest.Item) -> str:
    subject = " ".join(provider_of(item) or ()).strip()
    parent = item.parent.name if item.parent else ""
    by = f" [{parent}]" if item.path.name != _USUAL else ""
    return f"{subject}{by}: {item.name.removeprefix('test_').replace('_', ' ')}"


def _cause(report: pytest.CollectReport | pytest.TestReport) -> str:
    crash: Any = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr).strip().splitlines()[-1]
    return str(text.removeprefix("AssertionError: ").splitlines()[0])


if __name__ == "__main__":
    (_name,) = sys.argv[1:]
    sys.exit(main(_name))
