"""No two modules of the package need each other, not even for a type."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import zoo_core.commands.bench

PACKAGE = "zoo_core.commands.bench"
FOLDER = Path(zoo_core.commands.bench.__file__).parent


def needed(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.removeprefix(f"{PACKAGE}.") for name in names if name and PACKAGE in name}


def test_no_circle_of_imports() -> None:
    modules = {path.stem: needed(path) for path in FOLDER.glob("*.py") if path.stem != "__init__"}
    order = list(TopologicalSorter(modules).static_order())

    assert set(order) == set(modules)
    assert order[-1] == "report"
