"""Folders that zoo keeps on this machine, and files inside installed packages."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from zoo_core.errors import DataError, install_step

CACHES = "caches"
"""The folder inside `home()` that holds a folder for each cache."""

ENVIRONMENTS = "environments"
"""The folder inside `home()` that holds virtual environments of others' programs."""

TUNED = "tuned"
"""The folder inside `home()` that holds options found by `zoo tune`, and its journal."""

CLAIMS = "outputs"
"""The folder inside `home()` that holds a lock for each output folder that is being filled."""

_README = """The cache of zoo. `zoo gc` removes what is not needed. Downloads and results can be
made again; weights that you brought (by-hand), options of `zoo tune` (tuned) and the history of
runs (runs.jsonl) cannot.
"""
_TAG = "CACHEDIR.TAG"
_MARKS = {
    "README.txt": _README,
    ".gitignore": "*\n",
    _TAG: "Signature: 8a477f597d28d172789f06886806bc55\n# Made by zoo.\n",
}
_UNMARKED = frozenset(
    (
        *("by-hand", "downloads", ENVIRONMENTS, "journal.jsonl", "network.json", CLAIMS),
        *("runs.jsonl", "store", TUNED),
    )
)
"""Names that zoo itself puts into `home()`; a folder with others belongs to a person."""


def home() -> Path:
    """The cache folder: ZOO_HOME, else the platform's cache folder for zoo."""
    path = os.environ.get("ZOO_HOME")
    if path:
        return Path(path).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("zoo")


def folder(name: str) -> Path:
    """A folder inside `home()`, created when needed; `home()` is marked as a cache.

    A `home()` that holds other files than zoo's is not marked: git and backups would skip those.
    Raises DataError where the folder cannot be created.
    """
    root = home()
    path = root / name
    try:
        names = {path.name for path in root.iterdir()} if root.exists() else set()
        path.mkdir(parents=True, exist_ok=True)
        if _TAG not in names and names <= _UNMARKED:
            _mark(root)
    except OSError as error:
        raise DataError(
            f"the cache folder cannot be created: {error.strerror}",
            where=str(path),
            next="set ZOO_HOME to a folder that can be written",
        ) from error
    return path


def cache(name: str) -> Path:
    """A folder for a plugin's own cache, which `zoo gc` may empty.

    Raises DataError where it cannot be created.
    """
    return folder(f"{CACHES}/{name}")


def by_hand_file(model: str, name: str) -> Path:
    """Where `zoo fetch --from-file` puts a model's file that cannot be downloaded."""
    return home() / "by-hand" / model / name


def resource_path(resource: str) -> Path:
    """The path of "package:path/inside", nothing imported.

    Raises DataError where the package or the file is not installed.
    """
    package, _, inner = resource.partition(":")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        name = package.replace("_", "-")
        step = install_step(name) if name.startswith("zoo-") else f"pip install {name}"
        raise DataError(f"package '{package}' is not installed", where=resource, next=step)
    path = Path(next(iter(spec.submodule_search_locations))) / inner
    if not path.is_file():
        raise DataError("no such file in the package", where=resource, next=f"reinstall {package}")
    return path


def _mark(root: Path) -> None:
    for name, text in _MARKS.items():
        with suppress(FileExistsError), (root / name).open("x", encoding="utf-8") as stream:
            stream.write(text)
