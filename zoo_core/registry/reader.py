"""Strict, typed parsing of YAML; each error names the file and the line or the path of the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from zoo_core.errors import DataError, RegistryError, did_you_mean
from zoo_core.system.file_cache import cached_values
from zoo_core.system.files import read_limited
from zoo_core.system.yaml_text import MOST_BYTES, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")
_REQUIRED: Any = object()
_MOST_SIDE = 1 << 16


def read_yaml(paths: Sequence[Path]) -> list[Any]:
    """The documents of YAML files; duplicate keys are an error.

    A file is parsed only if it has changed since the last time, or if JSON cannot represent it.
    Raises RegistryError with file and line.
    """
    try:
        texts = cached_values("yaml", paths, _as_json)
    except DataError:  # a file is missing, or the cache cannot be written
        texts = [""] * len(paths)
    return [
        json.loads(text) if text else _parse(path) for path, text in zip(paths, texts, strict=True)
    ]


def _as_json(path: Path) -> str:
    """The document as JSON; "" if JSON cannot represent it."""
    document = _parse(path)
    try:
        text = json.dumps(document)
    except (TypeError, ValueError):
        return ""
    return text if json.loads(text) == document else ""


def _parse(path: Path) -> Any:
    return load_yaml(read_registry_file(path), str(path), unique=True)


def read_registry_file(path: Path) -> bytes:
    """The bytes of a registry file; raises RegistryError."""
    try:
        return read_limited(path, MOST_BYTES)
    except DataError as error:
        step = error.next or "check the file and ZOO_REGISTRY"
        raise RegistryError(error.what, where=error.where, next=step) from error


class Reader:
    """One mapping of a registry file; `where` is "file: path.of.keys"."""

    def __init__(self, data: Any, where: str) -> None:
        """Raises RegistryError if `data` is not a mapping."""
        self.where = where
        if not isinstance(data, dict):
            raise RegistryError(f"must be a mapping, is {_kind(data)}", where=where)
        self._data: dict[Any, Any] = data

    def whole(self) -> dict[str, Any]:
        """The mapping itself."""
        return dict(self._data)

    def only(self, *known: str) -> None:
        """Raises RegistryError for a key that is not among `known`."""
        for key in self._data:
            if key not in known:
                hint = did_you_mean(str(key), known)
                raise RegistryError(f"unknown key '{key}'", where=self.where, next=hint)

    def get(self, key: str, kind: type[T] | tuple[type[T], ...], default: T = _REQUIRED) -> T:
        """The value of `key`; raises RegistryError if it is missing or not of type `kind`."""
        if key not in self._data or self._data[key] is None:
            if default is _REQUIRED:
                raise RegistryError(f"key '{key}' is missing", where=self.where)
            return default
        value = self._data[key]
        wrong_bool = isinstance(value, bool) and kind is not bool
        if wrong_bool or not isinstance(value, kind):
            name = kind.__name__ if isinstance(kind, type) else "/".join(k.__name__ for k in kind)
            place = f"{self.where}.{key}"
            raise RegistryError(f"must be {name}, is {_kind(value)}", where=place)
        return value

    def optional(self, key: str, kind: type[T]) -> T | None:
        """Like `get`, but None if the key is absent."""
        return self.get(key, kind) if self._data.get(key) is not None else None

    def text(self, key: str, default: str = _REQUIRED) -> str:
        """A string."""
        return self.get(key, str, default)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A mapping, empty if absent."""
        return self.get(key, dict, {})

    def inner(self, key: str) -> Reader:
        """A reader of the mapping under `key`, empty if absent."""
        return Reader(self.mapping(key), f"{self.where}.{key}")

    def readers(self, key: str) -> Iterator[tuple[str, Reader]]:
        """A reader for each entry of the mapping under `key`."""
        for name, value in self.mapping(key).items():
            yield str(name), Reader(value, f"{self.where}.{key}.{name}")

    def rows(self, key: str) -> Iterator[Reader]:
        """A reader for each item of the list under `key`."""
        empty: list[Any] = []
        for number, value in enumerate(self.get(key, list, empty)):
            yield Reader(value, f"{self.where}.{key}[{number}]")

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty if absent."""
        empty: list[Any] = []
        values = self.get(key, list, empty)
        for value in values:
            if not isinstance(value, str):
                place = f"{self.where}.{key}"
                raise RegistryError(f"must hold strings, has {value!r}", where=place)
        return tuple(values)

    def size(self, key: str) -> tuple[int, int]:
        """A list of two positive whole numbers: height, width."""
        value = self.get(key, list)
        if len(value) != 2 or not all(type(v) is int and 0 < v <= _MOST_SIDE for v in value):
            place = f"{self.where}.{key}"
            raise RegistryError(f"must be [height, width], is {value!r}", where=place)
        return value[0], value[1]


def _kind(value: Any) -> str:
    return "empty" if value is None else f"{type(value).__name__} ({value!r})"
