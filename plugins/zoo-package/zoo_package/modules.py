"""What the modules of zoo and its plugins define, by their source; nothing is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "zoo_"


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, a class or a constant of a module of zoo."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Outside:
    """What another package provides: a module, or a name in it."""

    module: str
    name: str = ""

    def line(self, known_as: str) -> str:
        """The statement that imports it."""
        own = self.name or self.module
        alias = f" as {known_as}" if known_as != own else ""
        return f"from {self.module} import {own}{alias}" if self.name else f"import {own}{alias}"


Thing = Definition | Outside


@dataclass(slots=True)
class Module:
    """The statements of a module that define a name, and where its other names come from.

    `typed` are the names that it knows for annotations only; `notes` the docstrings of constants.
    """

    name: str
    lines: list[str]
    statements: dict[str, ast.stmt] = field(default_factory=dict)
    notes: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    typed: dict[str, tuple[str, str]] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)


@cache
def read_module(name: str) -> Module:
    """Parse a module; raises ZooError where it has no source."""
    path = module_path(name)
    if path is None:
        raise ZooError("has no source to take into a package", where=name, next="reinstall it")
    text = path.read_text(encoding="utf-8")
    module = Module(name, text.splitlines())
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    last = ""
    for statement in ast.parse(text).body:
        names = list(defined(statement))
        for own in names:
            module.statements[own] = statement
            module.order[own] = statement.lineno
        if last and isinstance(statement, ast.Expr):
            module.notes[last] = statement
        last = names[-1] if names and isinstance(statement, ast.Assign | ast.AnnAssign) else ""
        if isinstance(statement, ast.If):
            module.typed |= dict(imported(statement.body, package))
        module.imports |= dict(imported([statement], package))
    if "__getattr__" in module.statements:  # a package that imports a name when asked for it
        module.imports |= module.typed
    return module


@cache
def module_path(name: str) -> Path | None:
    """Where a module's source is; None for what is no module or has no source."""
    try:
        spec = find_spec(name)
    except ImportError:  # its parent is no package
        return None
    origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def defined(statement: ast.stmt) -> Iterable[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    found = (node for target in targets for node in ast.walk(target))
    return [node.id for node in found if isinstance(node, ast.Name)]


def imported(body: Iterable[ast.stmt], package: str) -> Iterable[tuple[str, tuple[str, str]]]:
    """Local name -> (module, name in it or "") of import statements."""
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or whole, (whole, "")
        elif isinstance(statement, ast.ImportFrom):
            above = package.rsplit(".", statement.level - 1)[0] if statement.level else ""
            base = ".".join(part for part in (above, statement.module or "") if part)
            for alias in statement.names:
                yield alias.asname or alias.name, (base, alias.name)


def resolve(module: str, name: str) -> Thing | None:
    """What a name of a module stands for; None for a builtin or a local name."""
    known = read_module(module)
    if name in known.statements:
        return Definition(module, name)
    if name in known.imports:
        return origin(*known.imports[name])
    return None


def origin(base: str, name: str) -> Thing | None:
    """What `from base import name` gives; `name` is "" for `import base`.

    Raises ZooError for a whole module of zoo: only what is used of it could be taken.
    """
    if not base.startswith(PREFIX):
        return Outside(base, name)
    if not name or module_path(f"{base}.{name}"):
        what = "is used as a whole, and cannot be taken into one file"
        raise ZooError(what, where=f"module {base}.{name}".rstrip("."), next="import its names")
    return resolve(base, name)
