"""House rules that no linter knows: rooms, sizes, circles, names."""

from __future__ import annotations

import ast
import io
import tokenize
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "zoo_core"
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
SOURCES = sorted([*ROOT.glob("zoo_core/**/*.py"), *ROOT.glob("plugins/*/zoo_*/**/*.py")])

AT_THE_ROOT = {"__init__.py", "__main__.py", "errors.py"}
LAYERS = {
    *("cli", "commands", "reporting", "planning", "pipeline", "plugins", "registry", "benchmark"),
    *("api", "vision", "system"),
}
BESIDE = {"toolkit", "testing", "schemas"}
MOST_MODULES = 16
MOST_LINES = {"file": 500, "function": 50}
MOST_CODE = {"core": 18_300, "toolkit": 3_450, "testing": 2_720}
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    tokenize.ENDMARKER,
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_lines(folder: Path) -> int:
    """Lines of code: without blank ones, comments and docstrings."""
    return sum(_code_lines(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py"))


def _code_lines(text: str) -> int:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_the_rooms_are_those_of_the_map() -> None:
    rooms = {path.name for path in CORE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")

    assert {path.name for path in CORE.glob("*.py")} == AT_THE_ROOT
    assert rooms == LAYERS | BESIDE
    assert all(f"`{room}`" in text for room in rooms)


@pytest.mark.parametrize("room", sorted(LAYERS - {"cli"} | {"toolkit"}))
def test_a_room_is_small_enough_to_know(room: str) -> None:
    packages = [path.parent for path in (CORE / room).rglob("__init__.py")]
    counts = {name_of(folder): len(list(folder.glob("*.py"))) for folder in packages}

    assert all(count <= MOST_MODULES for count in counts.values()), counts


def test_every_verb_has_a_file() -> None:
    from zoo_core.cli.app import VERBS

    assert {path.stem for path in (CORE / "cli").glob("*.py")} >= set(VERBS)


def test_the_code_stays_as_small_as_it_is() -> None:
    counts = {room: code_lines(CORE / room) for room in ("toolkit", "testing")}
    counts["core"] = code_lines(CORE) - sum(counts.values())

    assert all(count <= MOST_CODE[room] for room, count in counts.items()), counts


def test_no_module_is_in_a_circle_of_imports() -> None:
    """Imports for types count."""
    names = {_module(path): path for path in CORE.rglob("*.py")}
    graph = {name: _imports(path, set(names)) - {name} for name, path in names.items()}

    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path, names: set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & names or {node.module} & names
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & names
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES["file"]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MOST_LINES["function"], f"{node.name} has {length} lines"


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
