"""Shared by the verbs that list and show: opening the registry, printing rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.cli.json_output import print_json
from zoo_core.cli.output import echo, say
from zoo_core.system.terminal import columns, entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry


_SCHEMAS = {"findings": "check", "checks": "doctor"}


def list_plugins() -> Plugins:
    """The installed plugins."""
    from zoo_core.plugins.manager import Plugins

    return Plugins.installed()


def open_registry() -> tuple[Registry, Plugins]:
    """The registry, and the installed plugins."""
    from zoo_core.registry import load_registry

    plugins = list_plugins()
    registry = load_registry(plugins.registry_files())
    for fault in registry.faults:
        say(f"zoo: left out: {fault}")
    return registry, plugins


def warn_of_failures(plugins: Plugins) -> None:
    """One line on stderr for each plugin that could not be loaded."""
    for plugin in plugins.failures:
        say(f"zoo: plugin {plugin.name} failed: {plugin.failure}")


def print_table(
    name: str,
    rows: Sequence[Any],
    head: Sequence[str],
    table: Sequence[Sequence[str]],
    as_json: bool,
) -> int:
    """Print rows as a table, or as the JSON document `zoo.NAME/1`; returns exit code 0."""
    if as_json:
        return print_json({"schema": f"zoo.{_SCHEMAS.get(name, name)}/1", name: list(rows)})
    for line in columns(head, table):
        echo(line.rstrip())
    return 0


def print_entries(
    name: str,
    rows: Sequence[Any],
    table: Sequence[tuple[Sequence[str], Sequence[str]]],
    as_json: bool,
) -> int:
    """As `print_table`, for rows with sentences, which are printed on lines of their own."""
    if as_json:
        return print_table(name, rows, (), (), as_json)
    for line in entries(table):
        echo(line)
    return 0


def step(text: str) -> str:
    """The next step with an arrow; "" if there is none."""
    return f"-> {text}" if text else ""
