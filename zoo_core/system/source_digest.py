"""Digests of source code: a module with everything it imports from zoo packages, not imported."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import ZooError
from zoo_core.system.file_cache import file_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zoo_core.api import Provider

_OURS = "zoo_"

Import = tuple[str, tuple[str, ...]]
"""A module, and the names that are taken from it (none for `import module`)."""


def source_digest(modules: Iterable[str]) -> str:
    """Digest of the named modules' sources and of all zoo modules they import, at any depth.

    Imports under `if TYPE_CHECKING` do not count, but for a module that has a `__getattr__` and
    imports those names when they are asked for. A module is read only where its file has changed
    since it was last seen. Raises ZooError for a module that is not found.
    """
    lines = [f"{name} {sha256}" for name, sha256 in sorted(_closure(modules).items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _closure(modules: Iterable[str]) -> dict[str, str]:
    """Module -> sha256 of its source, for the modules and all they import."""
    digests: dict[str, str] = {}
    level = dict.fromkeys(modules)
    while level:
        paths = {name: _found(name) for name in level}
        following: dict[str, None] = {}
        facts = file_facts("module", paths.values(), _read)
        for (name, path), text in zip(paths.items(), facts, strict=True):
            fact = json.loads(text)
            digests[name] = fact["sha256"]
            following |= dict.fromkeys(_modules(fact["imports"], _package(name, path)))
        level = {name: None for name in following if name not in digests}
    return digests


def _found(name: str) -> Path:
    path = _path(name)
    if path is None:
        raise ZooError(f"module '{name}' is not found", next="reinstall the plugin it is of")
    return path


def provider_modules(provider: Provider[object]) -> tuple[str, ...]:
    """The modules that a provider's `load` imports (its plugin's module where it imports none)."""
    module, function = provider.load.__module__, getattr(provider.load, "__name__", "")
    path = _path(module)
    if path is None:
        return (module,)
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            found = _modules(_imports(node.body), _package(module, path))
            return tuple(dict.fromkeys(found)) or (module,)
    return (module,)


def _read(path: Path) -> str:
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
                yield from ((alias.name, ()) for alias in node.names if _ours(alias.name))
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                if node.level or _ours(base):
                    yield base, tuple(alias.name for alias in node.names)


def _modules(imports: Iterable[Import], package: str) -> Iterator[str]:
    """Module names of imports seen in `package`: of submodules where a name is one."""
    for base, names in imports:
        whole = _absolute(base, package)
        inner = [f"{whole}.{name}" for name in names if _path(f"{whole}.{name}")]
        yield from inner
        if (len(inner) < len(names) or not names) and _ours(whole) and _path(whole):
            yield whole


def _absolute(base: str, package: str) -> str:
    module = base.lstrip(".")
    level = len(base) - len(module)
    if not level:
        return base
    above = package.split(".")
    prefix = ".".join(above[: len(above) - level + 1])
    return f"{prefix}.{module}" if module else prefix


def _package(name: str, path: Path) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def _ours(name: str) -> bool:
    return name.startswith(_OURS)


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
