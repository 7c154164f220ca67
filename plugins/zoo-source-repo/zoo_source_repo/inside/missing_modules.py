"""Which modules a repository's script would import and are not installed, by a look at its code."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from typing import Any

_MOST_FILES = 2000


def missing_modules(command: list, here: str) -> list:  # type: ignore[type-arg]
    """Top-level names, sorted, that neither the environment nor the repository has.

    `here` is the folder in which the command runs. Followed are the imports that run when a module
    is imported, through modules beside the script and in that folder; those in functions, and those
    whose failure is caught, do not count.
    """
    kind, *rest = command[1:] if command[0] in ("python", "python3") else command
    script = os.path.join(here, kind)  # noqa: PTH118
    folders = [os.path.dirname(script), here]  # noqa: PTH120
    found: set[str] = set()
    seen: set[str] = set()
    if kind == "-c":
        left = _follow(rest[0], "", folders, found)
    elif kind == "-m":
        left = _files(rest[0], folders)
    else:
        left = [script]
    while left and len(seen) < _MOST_FILES:
        path = os.path.abspath(left.pop())  # noqa: PTH100
        if path in seen:
            continue
        seen.add(path)
        try:
            with open(path, encoding="utf-8") as stream:  # noqa: PTH123
                text = stream.read()
        except (OSError, ValueError):
            continue
        left += _follow(text, os.path.dirname(path), folders, found)  # noqa: PTH120
    return sorted(found)


def _follow(text: str, place: str, folders: list, found: set) -> list:  # type: ignore[type-arg]
    """The files of the folders that a code imports; the names that are missing join `found`."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    files: list[str] = []
    for name, level in _imported(tree.body):
        if level:
            base = place
            for _ in range(level - 1):
                base = os.path.dirname(base)  # noqa: PTH120
            files += _files(name, [base])
            continue
        local = _files(name, folders)
        files += local
        top = name.partition(".")[0]
        if not local and top not in found and not _is_there(top):
            found.add(top)
    return files


def _imported(body: Any) -> Any:
    """(name, level) of each import that runs with the module, and may not fail."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            for alias in node.names:
                yield ".".join(part for part in (base, alias.name) if part), node.level
        elif isinstance(node, ast.Try):
            if not node.handlers:
                yield from _imported(node.body)
        elif isinstance(node, (ast.If, ast.With, ast.ClassDef)) and not _is_typing(node):
            yield from _imported(node.body)
            yield from _imported(getattr(node, "orelse", []))


def _is_typing(node: Any) -> bool:
    test = getattr(node, "test", None)
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _files(name: str, folders: list) -> list:  # type: ignore[type-arg]
    """The files that an import of a dotted name runs; the last part may be no module."""
    files: list[str] = []
    for folder in folders:
        place = folder
        for part in name.split("."):
            module = os.path.join(place, part + ".py")  # noqa: PTH118
            place = os.path.join(place, part)  # noqa: PTH118
            if os.path.isfile(module):  # noqa: PTH113
                files.append(module)
            elif os.path.isfile(os.path.join(place, "__init__.py")):  # noqa: PTH113, PTH118
                files.append(os.path.join(place, "__init__.py"))  # noqa: PTH118
            elif not os.path.isdir(place):  # noqa: PTH112
                break
            else:
                files.append(place)
        if files:
            break
    return files


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return name in sys.modules
