"""Values as plain dicts and lists, as YAML and JSON hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class HasData(Protocol):
    """A value that knows its data form."""

    def to_data(self) -> dict[str, Any]:
        """Plain dicts and lists."""


def plain(value: Any) -> Any:
    """The same value of dicts, lists and scalars alone."""
    if isinstance(value, HasData):
        return value.to_data()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
