"""House rules that no linter knows: sizes, layout, names."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
SOURCES = sorted([*ROOT.glob("zoo_core/**/*.py"), *ROOT.glob("plugins/*/zoo_*/**/*.py")])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 50, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_prints_but_the_command_line(path: Path) -> None:
    inside = path.relative_to(ROOT).parts
    if inside[:2] in (("zoo_core", "cli"), ("zoo_core", "testing")):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        called = node.func if isinstance(node, ast.Call) else None
        assert not (isinstance(called, ast.Name) and called.id in ("print", "exit"))


@pytest.mark.parametrize("folder", PLUGINS, ids=name_of)
def test_a_plugin_is_its_own_distribution(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    entries = project["entry-points"]["zoo"]

    assert project["name"] == folder.name
    assert list(entries.values()) == [folder.name.replace("-", "_")]
    assert any(need.startswith("zoo-core>=") for need in project["dependencies"])
    assert (folder / "README.md").stat().st_size > 200
    assert list((folder / "tests").glob("test_*.py"))
