"""Where zoo keeps things on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from zoo_core.errors import DataError

CACHES = "caches"
"""The folder inside `home()` that holds a folder for each cache."""

_README = "Made by zoo; everything here can be made again. `zoo gc` removes what is not needed.\n"
_CACHEDIR_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by zoo.\n"


def home() -> Path:
    """The cache folder: ZOO_HOME, else the platform's cache folder for zoo."""
    given = os.environ.get("ZOO_HOME")
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("zoo")


def folder(name: str) -> Path:
    """A folder inside `home()`, made when needed; the cache folder marks itself as one.

    Raises DataError where it cannot be made.
    """
    root = home()
    path = root / name
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not (root / "CACHEDIR.TAG").exists():
            _mark(root)
    except OSError as error:
        raise DataError(
            f"the cache folder cannot be made: {error.strerror}",
            where=str(path),
            next="set ZOO_HOME to a folder that can be written",
        ) from error
    return path


def cache(name: str) -> Path:
    """A folder for what a plugin keeps to be faster, and can make again; `zoo gc` may empty it.

    Raises DataError where it cannot be made.
    """
    return folder(f"{CACHES}/{name}")


def by_hand_file(model: str, name: str) -> Path:
    """Where `zoo fetch --from-file` puts a model's file that cannot be downloaded."""
    return home() / "by-hand" / model / name


def _mark(root: Path) -> None:
    (root / "README.txt").write_text(_README, encoding="utf-8")
    (root / ".gitignore").write_text("*\n", encoding="utf-8")
    (root / "CACHEDIR.TAG").write_text(_CACHEDIR_TAG, encoding="utf-8")
