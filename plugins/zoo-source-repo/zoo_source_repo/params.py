"""What a card says of how its repository exports it, checked, and as the stage's parameters."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, check_known, did_you_mean
from zoo_core.toolkit.foreign import Environment
from zoo_core.toolkit.options import opset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHIMS = (
    "torch-load",
    "torch-load-any",
    "torch-cpu",
    "onnx-export",
    "dynamic-batch",
    "numpy-aliases",
    "imghdr",
    "pkg-resources",
    "torchvision",
)
PLACEHOLDERS = (
    "weights", "output", "height", "width", "opset", "classes", "batch", "seed",
)  # fmt: skip
OUTPUT = "{output}"
PYTHON = ("python", "python3")

_KEYS = (
    *("run", "requirements", "python", "random", "folder", "files", "environment", "shims"),
    *("stubs", "output", "opset", "time_limit", "onnx"),
)
_NAMED = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_ANY = re.compile(r"\{(\w+)\}")
_TIME_LIMIT = 900
_MOST_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A card's `exporter_params`; see docs/reference/source-repo.md."""

    run: tuple[str, ...]
    random: tuple[str, ...]
    environment: Environment
    folder: str
    files: Mapping[str, str]
    variables: Mapping[str, str]
    shims: tuple[str, ...]
    stubs: tuple[str, ...]
    output: str
    opset: int
    time_limit: float
    onnx: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_card(cls, params: Mapping[str, Any], where: str) -> Export:
        """Raises RegistryError, naming the key, for what is missing, unknown or out of range."""
        check_known(params, _KEYS, where, RegistryError)
        for key in ("run", "requirements"):
            if params.get(key) is None:
                raise RegistryError(f"key '{key}' is missing", where=where)
        files, variables = _texts(params, "files", where), _texts(params, "environment", where)
        for path in files:
            _check_inside(path, f"{where}.files", is_file=True)
        _check_inside(params.get("folder", "."), f"{where}.folder")
        _check_inside(params.get("output", OUTPUT), f"{where}.output", is_file=True)
        for name in variables:
            if not name or "=" in name:
                what = f"'{name}' is no name of a variable"
                raise RegistryError(what, where=f"{where}.environment")
        stubs = _names(params, "stubs", where)
        for name in stubs:
            if not all(part.isidentifier() for part in name.split(".")):
                what = f"{name!r} is no name of a module"
                raise RegistryError(what, where=f"{where}.stubs", next="such as seaborn")
        shims = _names(params, "shims", where)
        for name in shims:
            if name not in SHIMS:
                hint = did_you_mean(name, SHIMS)
                raise RegistryError(f"no shim '{name}'", where=f"{where}.shims", next=hint)
        return cls(
            run=_commands(params["run"] or [""], f"{where}.run"),
            random=_commands(params.get("random", []), f"{where}.random"),
            environment=Environment.stated(params["requirements"], params.get("python"), where),
            folder=params.get("folder", "."),
            files=files,
            variables=variables,
            shims=shims,
            stubs=stubs,
            output=params.get("output", OUTPUT),
            opset=opset(params, where),
            time_limit=_seconds(params.get("time_limit", _TIME_LIMIT), where),
            onnx=_mapping(params, "onnx", where),
        )

    def to_data(self) -> dict[str, Any]:
        """As parameters of the stage `script`; the environment has a stage of its own."""
        return {
            "run": list(self.run),
            "random": list(self.random),
            "folder": self.folder,
            "files": dict(self.files),
            "variables": dict(self.variables),
            "shims": list(self.shims),
            "stubs": list(self.stubs),
            "output": self.output,
            "opset": self.opset,
            "time_limit": self.time_limit,
        }


def filled(text: str, values: Mapping[str, Any]) -> str:
    """The text with its placeholders replaced; other braces stay."""
    return _NAMED.sub(lambda found: str(values[found[1]]), text)


def words(command: str, values: Mapping[str, Any]) -> list[str]:
    """A command as words; values are put in after splitting, so that spaces in them do no harm."""
    return [filled(word, values) for word in shlex.split(command)]


def _commands(value: Any, where: str) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise RegistryError(f"must be a command or a list of them, is {value!r}", where=where)
    _check_whole(given, where)
    for command in given:
        for name in _ANY.findall(command):
            if name not in PLACEHOLDERS:
                hint = did_you_mean(name, PLACEHOLDERS)
                raise RegistryError(f"no placeholder '{{{name}}}'", where=where, next=hint)
        try:
            split = shlex.split(command)
        except ValueError as error:
            raise RegistryError(f"cannot be split into words: {error}", where=where) from None
        if not split:
            raise RegistryError("is empty", where=where)
        if split[0] in PYTHON and len(split) < (3 if split[1:2] in (["-m"], ["-c"]) else 2):
            what = f"'{command}' does not say what Python runs"
            raise RegistryError(what, where=where, next="python FILE, -m MODULE or -c CODE")
    return tuple(given)


def _mapping(params: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = params.get(key, {})
    if not isinstance(value, dict):
        raise RegistryError(f"must be a mapping, is {value!r}", where=f"{where}.{key}")
    return value


def _texts(params: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    value = _mapping(params, key, where)
    if not all(isinstance(part, str) for row in value.items() for part in row):
        what = "must map names to texts; put numbers in quotes"
        raise RegistryError(what, where=f"{where}.{key}")
    _check_whole([part for row in value.items() for part in row], f"{where}.{key}")
    return dict(value)


def _names(params: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = params.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RegistryError(f"must be a list of names, is {value!r}", where=f"{where}.{key}")
    return tuple(value)


def _check_inside(path: Any, where: str, *, is_file: bool = False) -> None:
    parts = PurePosixPath(path).parts if isinstance(path, str) else None
    if parts is None or path.startswith("/") or ".." in parts or (is_file and not parts):
        raise RegistryError(f"{path!r} is no path inside the repository", where=where)
    if any("**" in part and part != "**" for part in parts):
        step = "write it as a folder of its own, such as **/*.onnx"
        raise RegistryError(f"{path!r} has ** inside a name", where=where, next=step)
    _check_whole([path], where)


def _check_whole(texts: Iterable[str], where: str) -> None:
    """No program takes a text with a null character."""
    for text in texts:
        if "\0" in text:
            raise RegistryError(f"{text!r} has a null character", where=where)


def _seconds(value: Any, where: str) -> float:
    if type(value) not in (int, float) or not 0 < value <= _MOST_SECONDS:
        what = f"must be seconds from 1 to {_MOST_SECONDS}, is {value!r}"
        raise RegistryError(what, where=f"{where}.time_limit")
    return float(value)
