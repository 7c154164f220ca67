"""Digests of source code: modules and all zoo modules that they import, without importing."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import ZooError
from zoo_core.system.file_cache import cached_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PREFIX = "zoo_"

Import = tuple[str, tuple[str, ...]]
"""A module, and the names imported from it (none for `import module`)."""


def source_digest(modules: Iterable[str]) -> str:
    """Digest of the named modules' sources and of all zoo modules they import, at any depth.

    Imports under `if TYPE_CHECKING` do not count, except in a module with a `__getattr__`, which
    imports those names on access. A module is parsed only where its file has changed since the
    last time. Raises ZooError for a module that does not exist.
    """
    lines = [f"{name} {sha256}" for name, sha256 in sorted(_closure(modules).items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _closure(modules: Iterable[str]) -> dict[str, str]:
    """Module -> sha256 of its source, for the modules and all they import."""
    digests: dict[str, str] = {}
    level = dict.fromkeys(modules)
    while level:
        paths = {name: _existing_path(name) for name in level}
        imported: dict[str, None] = {}
        records = cached_values("module", paths.values(), _parse)
        for (name, path), text in zip(paths.items(), records, strict=True):
            record = json.loads(text)
            digests[name] = record["sha256"]
            imported |= dict.fromkeys(_modules(record["imports"], _package(name, path)))
        level = {name: None for name in imported if name not in digests}
    return digests


def _existing_path(name: str) -> Path:
    path = _path(name)
    if path is None:
        raise ZooError(f"module '{name}' is not found", next="reinstall its plugin")
    return path


def function_imports(module: str, function: str) -> tuple[str, ...]:
    """The zoo modules that a function of a module imports in its body, which is not run."""
    path = _path(module)
    for node in ast.walk(ast.parse(path.read_bytes())) if path else ():
        if path and isinstance(node, ast.FunctionDef) and node.name == function:
            imports = _modules(_imports(node.body), _package(module, path))
            return tuple(dict.fromkeys(imports))
    return ()


def _parse(path: Path) -> str:
    """A module's digest and its imports as JSON; relative ones keep their leading dots."""
    source = path.read_bytes()
    body = ast.parse(source).body
    lazy = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in body)
    imports = dict.fromkeys(_imports(body, lazy))
    return json.dumps({"sha256": hashlib.sha256(source).hexdigest(), "imports": list(imports)})


def _imports(body: list[ast.stmt], lazy: bool = False) -> Iterator[Import]:
    for statement in body:
        for node in ast.walk(statement) if lazy else _walk(statement):
            if isinstance(node, ast.Import):
                yield from ((alias.name, ()) for alias in node.names if _is_zoo(alias.name))
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                if node.level or _is_zoo(base):
                    yield base, tuple(alias.name for alias in node.names)


def _modules(imports: Iterable[Import], package: str) -> Iterator[str]:
    """Module names of imports seen in `package`: of submodules where a name is one."""
    for base, names in imports:
        whole = resolve_name(base, package)
        inner = [f"{whole}.{name}" for name in names if _path(f"{whole}.{name}")]
        yield from inner
        if (len(inner) < len(names) or not names) and _is_zoo(whole) and _path(whole):
            yield whole


def _package(name: str, path: Path) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def _is_zoo(name: str) -> bool:
    return name.startswith(_PREFIX)


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
