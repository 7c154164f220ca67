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
from zoo_core.errors import UnavailableError, UsageError, did_you_mean
from zoo_core.system.tables import columns

if TYPE_CHECKING:
    from collections.abc import Sequence


_HEAD = ("plugin", "distribution", "hooks", "provides, or why it does not")


def plugins(
    action: Annotated[
        str | None, typer.Argument(metavar="[list|test|enable|disable]", help="By default: list.")
    ] = None,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Plugins that it is about.")
    ] = None,
    json_wanted: JsonFlag = False,
) -> int:
    """List plugins, what they provide and why some do not; or test, enable, disable them.

    A NAME is that of an entry point, a module or a distribution. What is disabled is not even
    imported; where ZOO_PLUGINS or ZOO_DISABLE_PLUGINS is set, that alone decides.
    """
    known = {"test": _test, "enable": _enable, "disable": _disable}
    if action in (None, "list"):
        _refuse(names or [])
        return _list(json_wanted)
    if action not in known:
        raise UsageError(f"no action '{action}'", next=did_you_mean(str(action), ["list", *known]))
    if not names:
        raise UsageError(f"{action} which plugin?", next="`zoo plugins` lists them")
    if json_wanted:
        raise UsageError(f"{action} has no JSON", next="leave --json out")
    return known[str(action)](names)


def _refuse(names: Sequence[str]) -> None:
    if names:
        raise UsageError("list takes no name", next="try `zoo plugins test NAME`")


def _list(json_wanted: bool) -> int:
    from zoo_core.commands.listings import plugins_table
    from zoo_core.plugins.manager import Plugins

    rows = plugins_table(Plugins.installed())
    if json_wanted:
        return print_json({"schema": "zoo.plugins/1", "plugins": rows})
    for line in columns(_HEAD, [_row(row) for row in rows]):
        typer.echo(line.rstrip())
    return 0


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    provides = "; ".join(f"{kind}: {', '.join(n)}" for kind, n in row["providers"].items())
    says = row["failure"] or (f"disabled {row['disabled']}" if row["disabled"] else provides)
    api = "" if row["api"] is None else str(row["api"])
    return row["name"], f"{row['distribution']} {row['version']}", api, says


def _test(names: Sequence[str]) -> int:
    """In a process of its own for each: a broken plugin may do anything to its process."""
    from zoo_core.plugins.manager import Plugins
    from zoo_core.plugins.plugin import named

    found = Plugins.installed()
    plugins = [named(name, [*found.plugins, *found.disabled]) for name in names]
    for plugin in plugins:
        if plugin.disabled:
            step = "enable it first"
            raise UnavailableError(f"is disabled {plugin.disabled}", where=plugin.name, next=step)
    if find_spec("pytest") is None:
        step = "pip install 'zoo-core[testing]'"
        raise UnavailableError("testing plugins needs pytest", next=step)
    command = [sys.executable, "-m", "zoo_core.testing.kit"]
    sys.stdout.flush()
    codes = [subprocess.run([*command, p.module], check=False).returncode for p in plugins]
    if INTERRUPTED in codes:
        return INTERRUPTED
    return 1 if any(codes) else 0  # a process that a signal ended has a code below 0


def _enable(names: Sequence[str]) -> int:
    from zoo_core.plugins.plugin import installed, named
    from zoo_core.plugins.selection import remembered

    before = remembered()
    gone = {name for name in names if name in before}
    known = {named(name, installed()).name for name in names if name not in gone}
    return _keep(before - gone - known)


def _disable(names: Sequence[str]) -> int:
    from zoo_core.plugins.plugin import installed, named
    from zoo_core.plugins.selection import remembered

    return _keep(remembered() | {named(name, installed()).name for name in names})


def _keep(disabled: frozenset[str]) -> int:
    from zoo_core.plugins.selection import ONLY, WITHOUT, remember

    path = remember(disabled)
    typer.echo(f"disabled: {', '.join(sorted(disabled)) or 'none'}")
    sys.stderr.write(f"remembered in {path}\n")
    for variable in (ONLY, WITHOUT):
        if variable in os.environ:
            sys.stderr.write(f"zoo: {variable} is set, and goes first\n")
    return 0
