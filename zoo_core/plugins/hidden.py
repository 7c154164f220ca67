"""Plugins that are installed but left out: which of them gives a name, and how to have it back."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.plugins.selection import undo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.plugins.plugin import Plugin


def told_hidden(
    kind: str, name: str, hook: str, left_out: Iterable[Plugin]
) -> tuple[str, str] | None:
    """What to say of a name that a left-out plugin gives by `hook`, and the next step; else None.

    The plugin's source is read; nothing of it is imported.
    """
    for plugin in left_out:
        if name in _named(plugin.module, hook):
            why = plugin.disabled or ""
            what = f"no {kind} '{name}' is loaded: {plugin.origin} is installed, left out {why}"
            return what, undo(why, plugin.name)
    return None


def _named(module: str, hook: str) -> frozenset[object]:
    """The constants in a module's function `hook`, names of what it gives among them."""
    try:
        return _constants(_source(module), hook)
    except (OSError, SyntaxError, ValueError):
        return frozenset()


@cache
def _constants(text: str, function: str) -> frozenset[object]:
    nodes = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    found = (inner for node in nodes if node.name == function for inner in ast.walk(node))
    return frozenset(node.value for node in found if isinstance(node, ast.Constant))


def _source(module: str) -> str:
    """A module's text, found without importing a package on the way; "" where there is none."""
    top, *inner = module.split(".")
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        return ""
    path = Path(spec.origin)
    if inner:
        path = path.parent.joinpath(*inner)
        path = path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")
    return path.read_text(encoding="utf-8")
