"""Listing is cheap: asserted on what is imported, not on milliseconds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {"torch", "onnx", "onnxruntime", "cv2", "pycocotools", "hotcoco", "openvino", "rich"}

PROGRAM = """
import sys
from importlib import metadata
from zoo_core.cli import main
code = main(sys.argv[1:])
plugins = {entry.module for entry in metadata.entry_points(group="zoo")}
inner = [m for m in sys.modules if m.partition(".")[0] in plugins and "." in m]
heavy = [m for m in sys.modules if m in %r]
print("\\nIMPORTED", code, sorted(inner), sorted(heavy), "numpy" in sys.modules)
"""


def imported(*arguments: str) -> str:
    command = [sys.executable, "-c", PROGRAM % HEAVY, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.rpartition("IMPORTED ")[2].strip()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("run", "--help"),
        ("models",),
        ("models", "--json"),
        ("plugins", "--json"),
        ("datasets",),
        ("protocols",),
    ],
)
def test_listing_imports_nothing_heavy_and_no_plugin_inside(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) == "0 [] [] False"


@pytest.mark.parametrize("arguments", [("backends",), ("backends", "--json")])
def test_probes_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """A probe may have a module of its own, as one that looks for a card has."""
    result = imported(*arguments)
    assert result.startswith("0 [")
    assert result.endswith("] [] False")


def test_help_loads_no_plugin_at_all() -> None:
    program = (
        "import sys; from zoo_core.cli import main; main(['--help']);"
        "print([m for m in sys.modules if m.startswith('zoo_') and not m.startswith('zoo_core')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [
        ("zoo back", 1, "backends"),
        ("zoo run yolov4-tian", 2, "yolov4-tianxiaomo"),
        ("zoo run m --protocol dark", 4, "darknet"),
    ],
)
def test_the_shell_completes_verbs_and_names(words: str, at: int, expected: str) -> None:
    surroundings = {
        **os.environ,
        "_ZOO_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(at),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from zoo_core.cli import script; script()"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=surroundings,
    )
    assert expected in done.stdout.split()


def test_completion_for_the_shell_can_be_had() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zoo_core", "--show-completion", "bash"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0
    assert "_ZOO_COMPLETE" in done.stdout
