"""The interpreter that has the vendor's wheels, which may need another Python than this one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_vastai.sdk.host import Host

VARIABLE = "ZOO_VASTAI_PYTHON"
"""Environment variable that names the interpreter where no option does."""

MODULE = "vaststreamx"

_IN_PREFIX = (
    "lib/python3*/site-packages",
    "lib64/python3*/site-packages",
    "lib/python3*/dist-packages",
    "local/lib/python3*/dist-packages",
)
_HAS_MODULE = f"import importlib.util as u, sys; sys.exit(0 if u.find_spec({MODULE!r}) else 3)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python and who named it (`source`); `has_sdk` is None where only asking it can tell."""

    path: str
    source: str
    has_sdk: bool | None


def find_interpreter(host: Host, named: str = "") -> Interpreter:
    """The interpreter that is meant, found without starting any.

    That is `named` (the option), else the variable ZOO_VASTAI_PYTHON, else python3 on PATH where
    vaststreamx lies among its packages, else the interpreter at work. A named one that is not
    there has `has_sdk` False.
    """
    for name, source in ((named, "option sdk_python"), (host.env.get(VARIABLE, ""), VARIABLE)):
        if name:
            path = host.which(str(Path(name).expanduser()))
            return Interpreter(path=path or name, source=source, has_sdk=None if path else False)
    for program in ("python3", "python"):
        path = host.which(program)
        if path and _holds_module(host, Path(path)):
            return Interpreter(path=path, source=f"{program} on PATH", has_sdk=True)
    return Interpreter(path=host.python, source="this interpreter", has_sdk=host.has_module(MODULE))


def ask(host: Host, interpreter: Interpreter, timeout: float = 10.0) -> Interpreter:
    """The interpreter with `has_sdk` settled; one that is known not to have it is asked too.

    Its packages may lie where files do not show it, as behind a .pth file.
    """
    if interpreter.has_sdk or host.which(interpreter.path) is None:
        return interpreter
    code = host.run((interpreter.path, "-c", _HAS_MODULE), timeout, host.env).code
    return Interpreter(path=interpreter.path, source=interpreter.source, has_sdk=code == 0)


def _holds_module(host: Host, python: Path) -> bool:
    folders = [Path(part) for part in host.env.get("PYTHONPATH", "").split(os.pathsep) if part]
    folders.extend(_package_folders(python))
    return any((folder / MODULE).is_dir() or any(folder.glob(f"{MODULE}.*")) for folder in folders)


def _package_folders(python: Path) -> Iterator[Path]:
    prefix = python.parent.parent
    prefixes = [prefix]
    if not (prefix / "pyvenv.cfg").is_file():
        prefixes.append(python.resolve().parent.parent)
    for place in prefixes:
        for pattern in _IN_PREFIX:
            yield from place.glob(pattern)
        yield place / "lib/python3/dist-packages"
