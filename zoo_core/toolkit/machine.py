"""The machine and its software: processor, memory of the process, installed packages."""

from __future__ import annotations

from importlib.util import find_spec

from zoo_core.system.distributions import version
from zoo_core.system.machine import cpu_features, cpu_threads, has_int8_dot

__all__ = ["cpu_features", "cpu_threads", "has_int8_dot", "is_installed", "version"]


def is_installed(module: str) -> bool:
    """Whether a module can be imported; it is not imported."""
    try:
        return find_spec(module) is not None
    except ValueError:  # it stands in sys.modules without a spec
        return False
