"""Which plugins are loaded: as the environment says, else as was remembered."""

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
_BY_VARIABLE, _UNNAMED = f"by {WITHOUT}", f"because {ONLY} does not name it"
_REMEMBERED = "with `zoo plugins disable`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Names of plugins: the `only` ones to load (None: all), and those to go `without`."""

    only: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    by: str = _BY_VARIABLE

    def disabled_reason(self, names: Collection[str]) -> str:
        """Why a plugin of these names is disabled, or an empty string."""
        if set(names) & set(self.without):
            return self.by
        if self.only is not None and not set(names) & set(self.only):
            return _UNNAMED
        return ""


def selection() -> Selection:
    """The selection of the environment; where that is not set, the remembered one.

    Raises RegistryError where the file of that holds something else, DataError where it cannot be
    read.
    """
    only, without = _names(ONLY), _names(WITHOUT)
    if only is None and without is None:
        return Selection(without=tuple(sorted(remembered())), by=_REMEMBERED)
    return Selection(only=only, without=without or ())


def remembered() -> frozenset[str]:
    """Entry-point names of the plugins that are disabled on this machine."""
    path = home() / _FOLDER / _FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return frozenset()
    except NotADirectoryError as error:
        what, step = "is a file, not a folder", "set ZOO_HOME to a folder that can be written"
        raise DataError(what, where=str(_file_above(path)), next=step) from error
    except OSError as error:
        what, step = f"cannot be read: {error.strerror}", "make it readable, or set ZOO_HOME"
        raise DataError(what, where=str(path), next=step) from error
    except ValueError as error:
        raise _broken(path) from error
    names = data.get("disabled") if isinstance(data, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _broken(path)
    return frozenset(names)


def remember(disabled: Iterable[str]) -> Path:
    """Keep these entry-point names as the disabled ones; the path of the file that holds them.

    Raises DataError where it cannot be written.
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


def _broken(path: Path) -> RegistryError:
    step = "delete it; `zoo plugins disable NAME` writes it anew"
    return RegistryError("is not a list of disabled plugins", where=str(path), next=step)
