"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from zoo_core.api import hooks
from zoo_core.plugins.manager import KINDS
from zoo_core.registry.protocols import PREPROCESS_FIELDS
from zoo_core.toolkit.detection import Candidates, DetectionRules
from zoo_core.vision import Geometry

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("findings/*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("plugins/*/README.md"),
    ]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")


def generated() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: dict[str, str] = module.pages()
    return pages


@pytest.mark.parametrize("name", sorted(generated()))
def test_the_reference_is_what_the_code_says(name: str) -> None:
    on_disk = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")

    assert on_disk == generated()[name], "run: python docs/generate.py"


def test_every_hook_has_a_page_entry() -> None:
    text = generated()["hooks.md"]
    names = [name for name in vars(hooks) if name.startswith("zoo_")]

    assert set(KINDS.values()) <= set(names)
    for name in names:
        assert f"## {name}(" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://")):
            assert (page.parent / link).exists(), link


def test_the_readme_has_exactly_two_setup_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    setups = [block for block in blocks if "venv" in block]

    assert len(setups) == 2
    assert "zoo run yolov4-tianxiaomo --precision int8" in setups[0]
    assert "minutes" in setups[0].partition("pip install")[0], "it says what is to come"
    assert not any("pip install -q" in block for block in setups), "pip shows its progress"
    assert "pytest" in setups[1]
    assert text.index("<!-- tests -->") < text.index(setups[1])


def test_every_field_of_a_protocol_and_of_what_decoders_use_is_described() -> None:
    text = (ROOT / "docs" / "reference" / "protocols.md").read_text(encoding="utf-8")
    named = {
        field.name for kind in (DetectionRules, Geometry, Candidates) for field in fields(kind)
    }

    for name in named | PREPROCESS_FIELDS:
        assert f"| `{name}` |" in text, name


def test_no_page_or_source_names_a_place_of_one_machine() -> None:
    places = re.compile(r"(/(root|home/\w+)/|C:\\\\Users)")
    files = [*PAGES, *ROOT.glob("zoo_core/**/*.py"), *ROOT.glob("plugins/**/*.py")]
    for file in files:
        assert not places.search(file.read_text(encoding="utf-8")), file


SHELL = re.compile(r"```bash\n(.*?)```", re.DOTALL)
YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def run_blocks(page: str, folder: Path) -> list[str]:
    """Runs a page's shell blocks in one shell, as a reader would; returns the lines they print."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for number, body in enumerate(YAML.findall(text)):
        (folder / ("my.yaml" if number == 0 else f"more-{number}.yaml")).write_text(body)
    script = "set -euo pipefail\n" + "\n".join(SHELL.findall(text))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    surroundings = {**os.environ, "PATH": path, "ZOO_OFFLINE": "1", "ZOO_HOME": str(folder / "h")}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_adding_a_model_works_as_written(tmp_path: Path) -> None:
    lines = run_blocks("how-to/add-a-model.md", tmp_path)

    assert {"my-net.yaml", "id: my-net"} <= set(lines)
    assert "labels: [cat, dog, bird]" in lines
    assert "exporter: tianxiaomo-yolov4" in lines


@pytest.mark.slow
def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    lines = run_blocks("tutorial/from-installation-to-a-plugin.md", tmp_path)

    assert any(line.startswith("SAMPLE RUN") for line in lines)
    assert (tmp_path / "graph" / "graph.json").exists()
    assert len(list((tmp_path / "seen" / "pictures").iterdir())) == 4


@pytest.mark.slow
def test_deploying_without_a_card_works_as_written(tmp_path: Path) -> None:
    lines = run_blocks("how-to/deploy-on-vastai.md", tmp_path)

    assert any(line.startswith("EMULATED") for line in lines)
    assert (tmp_path / "carry" / "compile.sh").exists()
    assert (tmp_path / "npz_output" / "output_000003.npz").exists()
    scored = json.loads((tmp_path / "scored" / "report.json").read_text(encoding="utf-8"))
    assert (scored["device"], scored["images"], scored["assets"]["data"]) == ("files", 4, "sample")
    assert scored["metrics"]["AP50"] > 0.5


def test_the_toy_runs_as_written(tmp_path: Path) -> None:
    lines = run_blocks("how-to/write-a-plugin.md", tmp_path)

    assert any(line.startswith("SAMPLE RUN") for line in lines)


@pytest.mark.slow
def test_using_zoo_from_python_works_as_written(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "use-from-python.md").read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    surroundings = {**os.environ, "ZOO_OFFLINE": "1", "ZOO_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("onnxruntime 8 0.")
    assert "107 nodes in int8" in lines
    assert lines[-1].endswith("| did you mean 'int8'? | 2")
    assert (tmp_path / "speed" / "bench.json").exists()
