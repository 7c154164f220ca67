"""`zoo plugins`: list, test, enable and disable plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli.boundary import INTERRUPTED
from zoo_core.cli.json_output import print_json
from zoo_core.cli.options import JsonFlag
from zoo_core.cli.output import echo, say
from zoo_core.errors import UnavailableError, UsageError, did_you_mean
from zoo_core.system.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import EntryPoint


_HEAD = ("plugin", "distribution", "API", "providers, or why there are none")


def plugins(
    action: Annotated[
        str | None, typer.Argument(metavar="[list|test|enable|disable]", help="Default: list.")
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Plugins to test, enable or disable."),
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """List plugins and what they provide; or test, enable or disable them.

    NAME is an entry point, a module or a distribution. Disabled plugins are not imported.
    ZOO_PLUGINS and ZOO_DISABLE_PLUGINS override `zoo plugins disable`.
    """
    known = {"test": _test, "enable": _enable, "disable": _disable}
    if action in (None, "list"):
        _check_no_names(names or [])
        return _list(as_json)
    if action not in known:
        hint = did_you_mean(str(action), ["list", *known])
        raise UsageError(f"unknown action '{action}'", next=hint)
    if not names:
        step = "give a NAME; `zoo plugins` lists them"
        raise UsageError(f"`zoo plugins {action}` needs a plugin", next=step)
    if as_json:
        raise UsageError(f"`zoo plugins {action}` does not support --json", next="omit it")
    return known[str(action)](names)


def _check_no_names(names: Sequence[str]) -> None:
    if names:
        raise UsageError("`zoo plugins list` takes no NAME", next="omit it")


def _list(as_json: bool) -> int:
    from zoo_core.commands.listings import plugins_table
    from zoo_core.plugins.manager import Plugins

    rows = plugins_table(Plugins.installed())
    if as_json:
        return print_json({"schema": "zoo.plugins/1", "plugins": rows})
    for line in columns(_HEAD, [_row(row) for row in rows]):
        echo(line.rstrip())
    return 0


def _beside(distribution: str) -> str:
    """What a distribution without providers brings: for other plugins, or as a program."""
    found: dict[str, list[str]] = {}
    for entry in _entries(distribution):
        found.setdefault(entry.group, []).append(entry.name)
    rows = (f"{group}: {', '.join(sorted(names))}" for group, names in sorted(found.items()))
    return f"no provider; {'; '.join(rows)}" if found else "no provider"


def _entries(distribution: str) -> Iterable[EntryPoint]:
    from importlib import metadata

    from zoo_core.plugins.plugin import GROUP

    try:
        entries = metadata.distribution(distribution).entry_points
    except (metadata.PackageNotFoundError, ValueError):
        return ()
    return [entry for entry in entries if entry.group != GROUP]


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    provides = "; ".join(f"{kind}: {', '.join(n)}" for kind, n in row["providers"].items())
    provides = provides or _beside(row["distribution"])
    state = row["failure"] or (f"disabled {row['disabled']}" if row["disabled"] else provides)
    api = "" if row["api"] is None else str(row["api"])
    return row["name"], f"{row['distribution']} {row['version']}", api, state


def _test(names: Sequence[str]) -> int:
    """Test each plugin in its own process, which a broken plugin may crash."""
    from zoo_core.plugins.manager import Plugins
    from zoo_core.plugins.plugin import find_plugin

    known = Plugins.installed()
    plugins = [find_plugin(name, [*known.plugins, *known.disabled]) for name in names]
    for plugin in plugins:
        if plugin.disabled:
            step = "enable it first"
            raise UnavailableError(f"is disabled {plugin.disabled}", where=plugin.name, next=step)
    if find_spec("pytest") is None:
        step = "pip install '.[testing]' in a checkout of zoo's repository"
        raise UnavailableError("`zoo plugins test` needs pytest", next=step)
    command = [sys.executable, "-m", "zoo_core.testing.kit"]
    sys.stdout.flush()
    codes = [subprocess.run([*command, p.module], check=False).returncode for p in plugins]
    if INTERRUPTED in codes:
        return INTERRUPTED
    return 1 if any(codes) else 0  # the code is negative after a signal


def _enable(names: Sequence[str]) -> int:
    from zoo_core.plugins.plugin import find_plugin, installed
    from zoo_core.plugins.selection import load_disabled

    disabled = load_disabled()
    stored = {name for name in names if name in disabled}  # may not be installed any more
    others = {find_plugin(name, installed()).name for name in names if name not in stored}
    return _save(disabled - stored - others)


def _disable(names: Sequence[str]) -> int:
    from zoo_core.plugins.plugin import find_plugin, installed
    from zoo_core.plugins.selection import load_disabled

    return _save(load_disabled() | {find_plugin(name, installed()).name for name in names})


def _save(disabled: frozenset[str]) -> int:
    from zoo_core.plugins.selection import ONLY, WITHOUT, save_disabled

    path = save_disabled(disabled)
    echo(f"disabled: {', '.join(sorted(disabled)) or 'none'}")
    say(f"saved in {path}")
    for variable in (ONLY, WITHOUT):
        if variable in os.environ:
            say(f"zoo: {variable} is set and overrides this")
    return 0
