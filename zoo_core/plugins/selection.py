"""Which plugins to load: from environment variables, else from the stored selection."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.errors import DataError, RegistryError
from zoo_core.system.files import write_json
from zoo_core.system.paths import folder, home

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

ONLY, WITHOUT = "ZOO_PLUGINS", "ZOO_DISABLE_PLUGINS"
_FOLDER, _FILE = "config", "plugins.json"
_BY_VARIABLE, _NOT_IN_ONLY = f"by {WITHOUT}", f"because {ONLY} does not name it"
_BY_COMMAND = "with `zoo plugins disable`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Names of plugins: the `only` ones to load (None: all), and those to load `without`."""

    only: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    by: str = _BY_VARIABLE

    def disabled_reason(self, names: Collection[str]) -> str:
        """Why a plugin of these names is disabled, or an empty string."""
        if set(names) & set(self.without):
            return self.by
        if self.only is not None and not set(names) & set(self.only):
            return _NOT_IN_ONLY
        return ""


def selection() -> Selection:
    """The selection of the environment; if that is not set, the stored one.

    Raises RegistryError if the file of the stored selection is invalid, DataError if it cannot be
    read.
    """
    only, without = _names(ONLY), _names(WITHOUT)
    if only is None and without is None:
        return Selection(without=tuple(sorted(load_disabled())), by=_BY_COMMAND)
    return Selection(only=only, without=without or ())


def load_disabled() -> frozenset[str]:
    """Entry-point names of the plugins that are disabled on this machine."""
    path = home() / _FOLDER / _FILE
    try:
        if path.is_fifo():
            raise _invalid(path)
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return frozenset()
    except NotADirectoryError as error:
        what, step = "is a file, not a folder", "set ZOO_HOME to a folder that can be written"
        raise DataError(what, where=str(_file_above(path)), next=step) from error
    except OSError as error:
        what, step = f"cannot be read: {error.strerror}", "make it readable, or set ZOO_HOME"
        raise DataError(what, where=str(path), next=step) from error
    except (ValueError, RecursionError) as error:
        raise _invalid(path) from error
    names = data.get("disabled") if isinstance(data, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _invalid(path)
    return frozenset(names)


def save_disabled(disabled: Iterable[str]) -> Path:
    """Store the entry-point names of the disabled plugins; returns the path of the file.

    Raises DataError if it cannot be written.
    """
    path = folder(_FOLDER) / _FILE
    write_json(path, {"disabled": sorted(set(disabled))})
    return path


def _names(variable: str) -> tuple[str, ...] | None:
    text = os.environ.get(variable)
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _file_above(path: Path) -> Path:
    return next((place for place in path.parents if place.is_file()), path)


def _invalid(path: Path) -> RegistryError:
    step = "delete it; `zoo plugins disable NAME` creates a new one"
    return RegistryError("is not a list of disabled plugins", where=str(path), next=step)
