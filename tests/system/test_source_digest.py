from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from zoo_core.api import Provider
from zoo_core.errors import ZooError
from zoo_core.planning.build import provider_modules
from zoo_core.system.source_digest import source_digest

pytestmark = pytest.mark.usefixtures("zoo_home")


class Package(Protocol):
    def __call__(self, files: dict[str, str]) -> str: ...


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Writes a package of a name never seen before, `{me}` in its sources, and returns the name."""

    def write(files: dict[str, str]) -> str:
        name = f"zoo_t{uuid4().hex[:8]}"
        root = tmp_path / name
        for path, text in {"__init__.py": "", **files}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text.replace("{me}", name), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return write


IMPORTS = [
    "from {me} import b",
    "from {me}.b import thing",
    "import {me}.b",
    "import {me}.b as other",
    "from . import b",
    "from .b import thing",
    "def later():\n    from {me}.b import thing\n    return thing",
    "try:\n    import {me}.b\nexcept ImportError:\n    pass",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\nelse:\n    import {me}.b",
    "if True:\n    from {me} import b",
]

NOT_FOLLOWED = [
    "import json",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {me}.b import thing",
    "import typing\nif typing.TYPE_CHECKING:\n    from {me} import b",
    "import typing\nclass A:\n    if typing.TYPE_CHECKING:\n        from {me} import b",
    "text = 'import {me}.b'",
]


def counted(name: str) -> set[str]:
    """The modules of a package whose change changes the digest of its module `a`."""
    root = Path(find_spec(name).submodule_search_locations[0])  # type: ignore[union-attr,index]
    known = source_digest([f"{name}.a"])
    found = set()
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text}\n# changed\n", encoding="utf-8")
        if source_digest([f"{name}.a"]) != known:
            parts = path.relative_to(root).with_suffix("").parts
            found.add(".".join(part for part in parts if part != "__init__"))
        path.write_text(text, encoding="utf-8")
    return found


@pytest.mark.parametrize("statement", IMPORTS)
def test_what_a_module_imports_counts(package: Package, statement: str) -> None:
    name = package({"a.py": statement, "b.py": "thing = 1"})
    assert counted(name) == {"a", "b"}


@pytest.mark.parametrize("statement", NOT_FOLLOWED)
def test_what_it_does_not_import_does_not_count(package: Package, statement: str) -> None:
    name = package({"a.py": statement, "b.py": "thing = 1"})
    assert counted(name) == {"a"}


def test_imports_are_followed_to_any_depth_and_in_circles(package: Package) -> None:
    name = package(
        {
            "a.py": "from {me}.sub import c",
            "sub/__init__.py": "",
            "sub/c.py": "from ..b import thing",
            "b.py": "import {me}.a\nthing = 1",
        }
    )
    assert counted(name) == {"a", "sub.c", "b"}


def test_a_package_from_which_names_come_counts_itself(package: Package) -> None:
    name = package(
        {"a.py": "from {me}.sub import thing", "sub/__init__.py": "from .c import thing",
         "sub/c.py": "thing = 1"}
    )  # fmt: skip
    assert counted(name) == {"a", "sub", "sub.c"}


def test_the_digest_changes_with_the_source_of_an_import(tmp_path: Path) -> None:
    script = (
        "from zoo_core.system.source_digest import source_digest; print(source_digest(['zoo_q.a']))"
    )
    root = tmp_path / "zoo_q"
    root.mkdir()
    (root / "__init__.py").write_text("")
    (root / "a.py").write_text("from zoo_q.b import thing")

    def of(text: str) -> str:
        (root / "b.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": ":".join([str(tmp_path), *sys.path])},
        )
        return done.stdout

    assert of("thing = 1") == of("thing = 1")
    assert of("thing = 1") != of("thing = 2")


def test_nothing_is_imported(package: Package) -> None:
    name = package({"a.py": "from {me} import b\nraise RuntimeError", "b.py": "1/0"})
    source_digest([f"{name}.a"])
    assert not [module for module in sys.modules if module.startswith(name)]


def test_the_order_of_modules_does_not_matter(package: Package) -> None:
    name = package({"a.py": "x = 1", "b.py": "y = 1"})
    assert source_digest([f"{name}.a", f"{name}.b"]) == source_digest([f"{name}.b", f"{name}.a"])
    assert source_digest([f"{name}.a"]) != source_digest([f"{name}.b"])


@pytest.mark.parametrize(
    "missing", ["zoo_not_here", "zoo_core.not_here", "zoo_core.system.source_digest.deeper"]
)
def test_a_module_that_is_not_found(missing: str) -> None:
    with pytest.raises(ZooError, match=f"module '{missing}' is not found"):
        source_digest([missing])


def test_the_modules_of_a_provider(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    name = package(
        {
            "plugin.py": "def load():\n    from {me}.inner import Thing\n    return Thing()\n"
            "def near():\n    return 1\n",
            "inner.py": "class Thing:\n    pass\n",
        }
    )
    module = __import__(f"{name}.plugin", fromlist=["load"])
    monkeypatch.delitem(sys.modules, f"{name}.plugin")
    monkeypatch.delitem(sys.modules, name)

    def modules(function: str) -> tuple[str, ...]:
        load = getattr(module, function)
        return provider_modules(Provider(name="a", summary="for tests", load=load))

    assert modules("load") == (f"{name}.inner",)
    assert modules("near") == (f"{name}.plugin",)
