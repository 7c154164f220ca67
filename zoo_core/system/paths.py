"""Where zoo keeps things on this machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from zoo_core.errors import DataError

CACHES = "caches"
"""The folder inside `home()` that holds a folder for each cache."""

_README = "Made by zoo; everything here can be made again. `zoo gc` removes what is not needed.\n"
_TAG = "CACHEDIR.TAG"
_MARKS = {
    "README.txt": _README,
    ".gitignore": "*\n",
    _TAG: "Signature: 8a477f597d28d172789f06886806bc55\n# Made by zoo.\n",
}
_UNMARKED = frozenset({"by-hand", "downloads", "journal.jsonl", "runs.jsonl", "store"})
"""What may be in `home()` before `folder` is called; else it has a person's own files."""


def home() -> Path:
    """The cache folder: ZOO_HOME, else the platform's cache folder for zoo."""
    given = os.environ.get("ZOO_HOME")
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("zoo")


def folder(name: str) -> Path:
    """A folder inside `home()`, made when needed; the cache folder marks itself as one.

    A folder that holds other files than zoo's gets no marks: they would tell git and backups to
    pass those over. Raises DataError where it cannot be made.
    """
    root = home()
    path = root / name
    try:
        unmarked = not (root / _TAG).exists() and _is_ours(root)
        path.mkdir(parents=True, exist_ok=True)
        if unmarked:
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


def _is_ours(root: Path) -> bool:
    try:
        return {path.name for path in root.iterdir()} <= _UNMARKED
    except FileNotFoundError:
        return True


def _mark(root: Path) -> None:
    for name, text in _MARKS.items():
        with suppress(FileExistsError), (root / name).open("x", encoding="utf-8") as stream:
            stream.write(text)
