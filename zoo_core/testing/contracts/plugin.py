"""The contract of every plugin: light, named as the house names things, whole."""

from __future__ import annotations

import inspect
import re
import tomllib
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from zoo_core import api
from zoo_core.api.provider import HOOK_API
from zoo_core.plugins.manager import GROUP, KINDS
from zoo_core.testing.contracts.base import Contract
from zoo_core.testing.contracts.checks import NAME, check_left_no_trace, must, protocol_of
from zoo_core.testing.isolation import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERBS = (
    "run|plan|fetch|export|compile|predict|eval|bench|models|datasets|protocols|show|backends"
    "|plugins|new|doctor|check|runs|gc"
)
_COMMAND = re.compile(rf"\bzoo(-[a-z]+)? ({_VERBS}|lint)\b")
_LONGEST_SUMMARY = 100


class PluginContract(Contract):
    """What every plugin keeps. Subclass it, set `plugin` to the module.

    `distribution` is derived from the module's name (`zoo_x` -> `zoo-x`); None is for a module that
    is no distribution of its own.
    """

    kind: ClassVar[str] = "plugin"
    distribution: str | None = ""

    def test_it_registers(self) -> None:
        """No import error, no unknown hook, no wrong argument."""
        plugins = self._plugins()
        (own,) = plugins.plugins
        must(plugins.hooks(own), "it implements no hook (are they marked with @hookimpl?)")

    def test_it_states_the_hooks_it_was_written_for(self) -> None:
        """`ZOO_API` is the version of the hooks."""
        stated = getattr(self.plugin, "ZOO_API", None)
        must(stated is not None, "ZOO_API is not stated")
        must(stated == HOOK_API, f"ZOO_API is {stated}, this zoo's is {HOOK_API}")

    def test_listing_is_light(self, tmp_path: Path) -> None:
        """Importing it and calling its hooks imports nothing heavy and nothing inside it."""
        answer = ask(replace(self._question(), kind=""), tmp_path)
        check_left_no_trace(answer, "listing it")

    def test_names_are_lower_case_and_unique(self) -> None:
        """Within each kind."""
        for kind, items in self._provided().items():
            names = [item.name for item in items]
            for name in names:
                must(NAME.fullmatch(name), f"{kind} '{name}' is not lower-case")
                must(names.count(name) == 1, f"{kind} '{name}' is provided twice")

    def test_summaries_are_one_line(self) -> None:
        """And say something."""
        for kind, items in self._provided().items():
            for item in items:
                text = item.summary
                must(text.strip(), f"{kind} '{item.name}' has no summary")
                short = "\n" not in text and len(text) <= _LONGEST_SUMMARY
                where = f"the summary of {kind} '{item.name}'"
                must(short, f"{where} is not one line of {_LONGEST_SUMMARY} characters")

    def test_every_provider_loads(self) -> None:
        """And has what its contract in `zoo_core.api` asks for."""
        plugins = self._plugins()
        for kind, name in [(k, name) for k in KINDS if k != "backend" for name in plugins.all(k)]:
            try:
                provided = plugins.load(kind, name)
            except Exception as error:
                raise AssertionError(f"{kind} '{name}' does not load: {error}") from error
            for breach in _breaches(kind, provided):
                raise AssertionError(f"{kind} '{name}' {breach}")

    def test_distribution_module_and_entry_point_agree(self) -> None:
        """Distribution `zoo-x`, module `zoo_x`, entry point `x`."""
        name = self._distribution()
        if name is None:
            return
        module = self.plugin.__name__
        must(module == name.replace("-", "_"), f"distribution {name} has the module {module}")
        entries = self._entry_points(name)
        expected = {name.removeprefix("zoo-"): module}
        must(entries == expected, f"entry points in the group zoo are {entries}, not {expected}")

    def test_its_readme_names_a_command(self) -> None:
        """A reader finds at least one `zoo` command to type."""
        name = self._distribution()
        if name is None:
            return
        folder = self._project()
        if folder:
            path = folder / "README.md"
            must(path.is_file(), f"there is no {path}")
            text = path.read_text(encoding="utf-8")
        else:
            text = str(metadata.metadata(name).json.get("description", ""))
        must(_COMMAND.search(text), "the README names no zoo command")

    def _distribution(self) -> str | None:
        if self.distribution is None:
            return None
        return self.distribution or self.plugin.__name__.replace("_", "-")

    def _project(self) -> Path | None:
        """The folder with pyproject.toml, where the plugin is used from its checkout."""
        folder = Path(str(self.plugin.__file__)).parent.parent
        return folder if (folder / "pyproject.toml").is_file() else None

    def _entry_points(self, name: str) -> dict[str, str]:
        folder = self._project()
        if folder:
            data = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
            must(data["project"]["name"] == name, f"pyproject.toml names {data['project']['name']}")
            return dict(data["project"].get("entry-points", {}).get(GROUP, {}))
        try:
            every = metadata.distribution(name).entry_points
        except metadata.PackageNotFoundError as error:
            raise AssertionError(f"no distribution {name} is installed") from error
        return {entry.name: entry.value for entry in every if entry.group == GROUP}

    def _provided(self) -> dict[str, list[Any]]:
        functions = {kind: getattr(self.plugin, hook, None) for kind, hook in KINDS.items()}
        return {kind: list(function()) for kind, function in functions.items() if function}


def _breaches(kind: str, provided: object) -> Iterator[str]:
    protocol = getattr(api, protocol_of(kind))
    members = set(protocol.__annotations__) | {n for n in vars(protocol) if not n.startswith("_")}
    yield from (f"has no '{name}'" for name in sorted(members) if not hasattr(provided, name))
    for name in sorted(members):
        method = getattr(protocol, name, None)
        if not inspect.isfunction(method):
            continue
        count = len(inspect.signature(method).parameters) - 1
        try:
            inspect.signature(getattr(provided, name)).bind(*[None] * count)
        except (TypeError, ValueError):
            yield f"has a '{name}' that does not take {count} arguments"
