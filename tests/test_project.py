"""The files around the code: version, changelog, continuous integration, hooks of git."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

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


def workflow() -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)
    return loaded


def test_github_runs_the_checks_on_every_supported_python() -> None:
    assert set(workflow()["on"]) == {"push", "pull_request"}
    (job,) = workflow()["jobs"].values()
    steps = job["steps"]

    assert job["runs-on"] == "ubuntu-latest"
    assert job["strategy"]["matrix"]["python-version"] == ["3.11", "3.12", "3.13"]
    assert steps[-1]["run"] == "bash .ci/run"
    for step in steps[:-1]:
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])


def test_git_hooks_use_the_active_environment() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (source,) = config["repos"]

    assert source["repo"] == "local"
    assert {hook["language"] for hook in source["hooks"]} == {"system"}
    checks = (ROOT / ".ci" / "check").read_text(encoding="utf-8")
    for hook in source["hooks"]:
        assert hook["name"] in checks


CHECKS = ("ruff check", "ruff format", "mypy zoo_core", "mypy --config-file", "lint-imports")


@pytest.mark.parametrize("failing", ["none", *CHECKS])
def test_the_check_script_fails_when_any_of_its_checks_fails(failing: str, tmp_path: Path) -> None:
    for tool in ("ruff", "mypy", "lint-imports"):
        stub = tmp_path / tool
        stub.write_text(f'#!/bin/sh\ncase "{tool} $*" in "{failing}"*) exit 1;; esac\n')
        stub.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    script = ROOT / ".ci" / "check"
    done = subprocess.run(
        ["bash", script], env={**os.environ, "PATH": path}, capture_output=True, check=False
    )

    assert (done.returncode == 0) == (failing == "none")


def test_the_reference_begins_early_in_the_readme() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    assert lines.index("## Reference") <= 130


@pytest.mark.parametrize(
    "name", sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
)
def test_a_distribution_is_listed_wherever_it_must_be(name: str) -> None:
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    linter = PROJECT["tool"]["importlinter"]

    assert f"-e plugins/{name}" in requirements
    assert f"| [{name}](plugins/{name}/README.md) |" in (ROOT / "README.md").read_text("utf-8")
    package = name.replace("-", "_")
    assert package in linter["root_packages"]
    for contract in linter["contracts"]:
        for key in ("modules", "source_modules", "forbidden_modules"):
            modules = contract.get(key, [])
            assert package in modules or "zoo_coco" not in modules, contract["name"]


def test_a_finding_states_what_it_shows() -> None:
    fields = ("# Package:", "# Expected:", "# Seen:", "# In zoo:", "set -euo pipefail", "mktemp -d")
    for script in ROOT.glob("findings/*.sh"):
        text = script.read_text(encoding="utf-8")
        for field in fields:
            assert field in text, f"{script.name} has no '{field}'; see findings/README.md"
