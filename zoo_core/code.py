"""Digests of source code: a module with everything it imports from zoo packages, not imported."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zoo_core.nouns import Provider

_OURS = "zoo_"


def source_digest(modules: Iterable[str]) -> str:
    """Digest of the named modules' sources and of all zoo modules they import, at any depth.

    Imports under `if TYPE_CHECKING` do not count. Raises ZooError for a module that is not found.
    """
    lines = [f"{name} {_file_digest(path)}" for name, path in sorted(_closure(modules).items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def provider_modules(provider: Provider[object]) -> tuple[str, ...]:
    """The modules that a provider's `load` imports (its plugin's module where it imports none)."""
    load = provider.load
    found = _imports_of_function(load.__module__, getattr(load, "__name__", ""))
    return found or (load.__module__,)


def _closure(modules: Iterable[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    queue = list(modules)
    while queue:
        name = queue.pop()
        if name in found:
            continue
        path = _path(name)
        if path is None:
            raise ZooError(f"module '{name}' is not found", next="reinstall the plugin it is of")
        found[name] = path
        queue += [other for other in _imports(name, path) if other not in found]
    return found


@cache
def _path(name: str) -> Path | None:
    parent = name.rpartition(".")[0]
    if not parent:
        spec = find_spec(name)
    else:
        above = _path(parent)
        if above is None or above.name != "__init__.py":
            return None
        spec = PathFinder.find_spec(name, [str(above.parent)])
    origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


@cache
def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@cache
def _imports(name: str, path: Path) -> tuple[str, ...]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return tuple(dict.fromkeys(_named(_tree(path).body, package)))


def _imports_of_function(module: str, function: str) -> tuple[str, ...]:
    path = _path(module)
    if path is None:
        return ()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return tuple(dict.fromkeys(_named(node.body, package)))
    return ()


def _named(body: list[ast.stmt], package: str) -> Iterator[str]:
    for statement in body:
        for node in _walk(statement):
            if isinstance(node, ast.Import):
                yield from (
                    a.name for a in node.names if a.name.startswith(_OURS) and _path(a.name)
                )
            elif isinstance(node, ast.ImportFrom):
                yield from _from(node, package)


def _from(node: ast.ImportFrom, package: str) -> Iterator[str]:
    base = node.module or ""
    if node.level:
        above = package.split(".")
        prefix = ".".join(above[: len(above) - node.level + 1])
        base = f"{prefix}.{base}" if base else prefix
    if not base.startswith(_OURS):
        return
    modules = [f"{base}.{alias.name}" for alias in node.names]
    inner = [name for name in modules if _path(name)]
    yield from inner
    if len(inner) < len(modules) and _path(base):
        yield base


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        children = node.orelse
    yield node
    for child in children:
        yield from _walk(child)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
