"""Where the emulated programs are, and the environment in which their names reach them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON = "ZOO_VASTAI_EMULATOR_PYTHON"
"""Which interpreter the launchers of `bin` start."""

_NAMES = ("vamc", "vamp", "vasmi")


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """A whole environment in which vamc, vamp, vasmi and vaststreamx are the emulated ones.

    `base` is what it is made from, by default this process's own.
    """
    env = dict(os.environ if base is None else base)
    here = Path(__file__).parent
    env["PATH"] = _joined(str(here / "bin"), env.get("PATH", os.defpath))
    env["PYTHONPATH"] = _joined(str(here / "site"), env.get("PYTHONPATH", ""))
    env[PYTHON] = sys.executable
    return env


def programs() -> dict[str, tuple[str, ...]]:
    """The beginning of each program's command line."""
    return {name: (sys.executable, "-m", f"zoo_vastai_emulator.{name}") for name in _NAMES}


def _joined(first: str, rest: str) -> str:
    parts = [part for part in rest.split(os.pathsep) if part and part != first]
    return os.pathsep.join([first, *parts])
