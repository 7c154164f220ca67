"""Frozen dataclasses that are JSON objects: the fields, in order, are the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, TypeAlias

Parts: TypeAlias = "Mapping[str, type[Record]]"
"""The records that fields hold, by the field's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A JSON object that is written and read by its fields.

    `parts` names the fields that hold further records, or tuples of them.
    """

    parts: ClassVar[Parts] = {}

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_data`; further keys are left out, lists become tuples.

        Raises TypeError for a record that is not an object, or lacks a field.
        """
        names = {field.name for field in fields(cls)}
        return cls(**{name: cls._read(name, data[name]) for name in data if name in names})

    @classmethod
    def _read(cls, name: str, value: Any) -> Any:
        part = cls.parts.get(name)
        if isinstance(value, list):
            return tuple(part.from_data(item) if part else item for item in value)
        if part is None or value is None:
            return value
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} is {value!r}, not an object")
        return part.from_data(value)


def plain(value: Any) -> Any:
    """Records, tuples and mappings as what JSON knows."""
    if isinstance(value, Record):
        return value.to_data()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
