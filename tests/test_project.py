"""The files around the code: version, changelog, continuous integration, hooks of git."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import zoo_core

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FRAGMENTS = ROOT / PROJECT["tool"]["towncrier"]["directory"]


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT["project"]
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "zoo_core/__init__.py"


def test_package_distribution_and_command_line_name_the_same_version() -> None:
    command = [sys.executable, "-m", "zoo_core", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == f"zoo {zoo_core.__version__}\n"
    installed = metadata.version("zoo-core")
    assert installed == zoo_core.__version__, "run: pip install -r requirements.txt"


def test_towncrier_reads_every_fragment() -> None:
    types = {kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"]}
    name = re.compile(rf"(\d+|\+[a-z0-9-]+)\.({'|'.join(sorted(types))})(\.\d+)?\.md")
    fragments = [path for path in FRAGMENTS.iterdir() if path.name != "README.md"]
    for path in fragments:
        assert name.fullmatch(path.name), f"{path.name}: see docs/changelog/README.md"
        assert path.read_text(encoding="utf-8").strip(), f"{path.name} is empty"


def test_the_changelog_has_a_place_for_new_versions() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert text.count(PROJECT["tool"]["towncrier"]["start_string"]) == 1
    assert re.findall(r"^## \d+\.\d+\.\d+", text, re.MULTILINE)


def test_the_changelog_can_be_built() -> None:
    command = ["towncrier", "build", "--draft", "--version", "0.0.0", "--date", "2000-01-01"]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "## 0.0.0 (2000-01-01)" in done.stdout
    for path in FRAGMENTS.glob("*.*.md"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert f"- {first}" in done.stdout
