"""Files that a package carries, found without importing it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from zoo_core.errors import DataError


def resource_path(resource: str) -> Path:
    """The path of "package:path/inside"; raises DataError where it is not installed."""
    package, _, inner = resource.partition(":")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        step = f"pip install {package.replace('_', '-')}"
        raise DataError(f"package '{package}' is not installed", where=resource, next=step)
    path = Path(next(iter(spec.submodule_search_locations))) / inner
    if not path.is_file():
        raise DataError("no such file in the package", where=resource, next=f"reinstall {package}")
    return path
