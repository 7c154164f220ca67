"""Virtual environments of pinned requirements, made once and kept in the cache.

An environment is made under a lock, and counts once its record is written; what a stopped attempt
leaves is made again. `uv` makes it where it is installed, else `venv` and `pip`.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, StageError, UnavailableError
from zoo_core.system.files import write_json
from zoo_core.system.hashing import digest
from zoo_core.system.locks import held
from zoo_core.system.paths import ENVIRONMENTS, folder
from zoo_core.toolkit.foreign.process import Limits, waited
from zoo_core.toolkit.machine import is_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

INSTALLED = "installed"
"""Requirements that mean the environment in which zoo itself runs."""

RECORD = "environment.json"
_FORM = 1
"""Raised when environments are made in another way."""

_TIME_LIMIT = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What an environment holds: Python's version ("3.11") and pinned requirements.

    Without requirements (None) it is the environment in which zoo runs.
    """

    python: str
    requirements: tuple[str, ...] | None

    @classmethod
    def stated(cls, requirements: Any, python: Any, where: str) -> Environment:
        """From a card's values; raises RegistryError for what is not pinned or not a version."""
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        if python is None:
            python = own
        parts = python.split(".") if isinstance(python, str) else []
        if len(parts) != 2 or not all(part.isdecimal() for part in parts):
            what = f'must be a version in quotes, such as "3.11", is {python!r}'
            raise RegistryError(what, where=f"{where}.python")
        if requirements == INSTALLED:
            if python != own:
                what = f"is {python}, but `requirements: {INSTALLED}` means zoo's own, {own}"
                raise RegistryError(what, where=f"{where}.python", next="leave it out")
            return cls(python=python, requirements=None)
        if not isinstance(requirements, list):
            what = f"must be a list of NAME==VERSION, or {INSTALLED}, is {requirements!r}"
            raise RegistryError(what, where=f"{where}.requirements")
        for item in requirements:
            _check_pinned(item, f"{where}.requirements")
        return cls(python=python, requirements=tuple(sorted(set(requirements))))

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        names = None if self.requirements is None else list(self.requirements)
        return {"python": self.python, "requirements": names}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Environment:
        """The inverse of `to_data`."""
        names = data["requirements"]
        return cls(python=data["python"], requirements=None if names is None else tuple(names))

    def place(self) -> Path:
        """Where it is kept on this machine."""
        key = digest({**self.to_data(), "machine": platform.machine(), "form": _FORM})
        return folder(ENVIRONMENTS) / key[:32]


def prepare_environment(
    environment: Environment, log: Path, tell: Callable[[str], object]
) -> tuple[Path, dict[str, Any]]:
    """Its Python, and a record: {"python", "packages", "maker"}; it is made if it is missing.

    `tell` hears what is waited for. Raises StageError where a requirement cannot be installed,
    UnavailableError where that Python or an installer is missing; the installer's words are in
    the log.
    """
    if environment.requirements is None:
        return Path(sys.executable), {"python": platform.python_version(), "maker": INSTALLED}
    place = environment.place()
    python = _python_of(place)
    with held(place.with_name(f"{place.name}.lock"), tell):
        record = _record(place)
        if record is None:
            tell("making the environment")
            shutil.rmtree(place, ignore_errors=True)
            record = _make(environment, place, log, tell)
        os.utime(place / RECORD)  # `zoo gc` removes what has not been used for long
    return python, record


def _record(place: Path) -> dict[str, Any] | None:
    """The record of a finished environment; it is written last."""
    import json

    try:
        found: dict[str, Any] = json.loads((place / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    return found if _python_of(place).exists() else None


def _make(
    environment: Environment, place: Path, log: Path, tell: Callable[[str], object]
) -> dict[str, Any]:
    python, uv = _python_of(place), shutil.which("uv")
    wanted = list(environment.requirements or ())
    place.mkdir(parents=True)
    if uv:
        _run([uv, "venv", "--quiet", "--python", environment.python, str(place)], log, tell)
        install = [uv, "pip", "install", "--python", str(python), "--only-binary", ":all:"]
        listing = [uv, "pip", "list", "--python", str(python), "--format", "json"]
    else:
        base = _base_python(environment.python)
        pip = _pip(python)
        _run([base, "-m", "venv", "--without-pip", str(place)], log, tell)
        install = [*pip, "install", "--only-binary", ":all:", "--no-input"]
        listing = [*pip, "list", "--format", "json"]
    if wanted:
        _run([*install, *wanted], log, tell)
    packages = _packages(_run(listing, log, tell)) if wanted else {}
    version = _run(
        [str(python), "-c", "import platform; print(platform.python_version())"], log, tell
    )
    maker = "uv" if uv else "pip"
    record = {"python": version.strip(), "packages": packages, "maker": maker}
    write_json(place / RECORD, record)
    return record


def _packages(text: str) -> dict[str, str]:
    import json

    lines = [line for line in text.splitlines() if line.startswith("[")]
    rows = json.loads(lines[-1]) if lines else []
    return {row["name"]: row["version"] for row in rows}


def _base_python(version: str) -> str:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    step = "install it, or uv, which fetches Python"
    found = shutil.which(f"python{version}")
    if found is None:
        raise UnavailableError(f"Python {version} is not installed", next=step)
    # pyenv has such a program for each Python that it could run, chosen or not.
    done = subprocess.run(
        [found, "-c", "import venv"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["no output"])[0][:200]
        step = f"choose it (`pyenv shell {version}`), {step}"
        raise UnavailableError(f"Python {version} does not run: {told}", where=found, next=step)
    return found


def _pip(python: Path) -> list[str]:
    if not is_installed("pip"):
        step = "install uv, or pip into zoo's environment (`python -m ensurepip`)"
        raise UnavailableError("neither uv nor pip is installed", next=step)
    return [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]


def _run(command: Sequence[str], log: Path, tell: Callable[[str], object]) -> str:
    """What a program wrote; it is in the process group of zoo, which ends it."""
    with log.open("a+b") as stream:
        stream.write(f"$ {' '.join(command)}\n".encode())
        stream.flush()
        began = stream.tell()
        process = subprocess.Popen(
            command,
            env={**os.environ, "PIP_REQUIRE_VIRTUALENV": "0"},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        limits = Limits(
            seconds=_TIME_LIMIT,
            name=Path(command[0]).name,
            beat=lambda seconds: tell(f"making the environment, {seconds:.0f} s"),
        )
        try:
            status = waited(process, limits)
        finally:
            process.kill()
            process.wait()
        stream.seek(began)
        text = stream.read().decode("utf-8", errors="replace")
    if status:
        raise StageError(
            f"the environment cannot be made: {_reason(text)}",
            next=f"check the network and the requirements; all of it is in {log.name}",
        )
    return text


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [row for row, line in enumerate(lines) if line.lower().startswith("error")]
    if not errors:
        return (lines or ["no output"])[-1][:300]
    # uv tells what happened, and then why.
    told = lines[errors[-1] : errors[-1] + 2]
    return ": ".join(told if told[-1].lower().startswith("cause") else told[:1])[:300]


def _python_of(place: Path) -> Path:
    inner = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return place.joinpath(*inner)


def _check_pinned(item: object, where: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        found = Requirement(str(item))
    except InvalidRequirement:
        raise RegistryError(f"'{item}' is no requirement", where=where) from None
    pins = [each for each in found.specifier if each.operator == "=="]
    if found.url or len(pins) != 1 or pins[0].version.endswith("*"):
        step = "a stranger's code runs in what someone has tried"
        raise RegistryError(f"'{item}' must be NAME==VERSION", where=where, next=step)
