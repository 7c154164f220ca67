"""Entry points of the installed distributions."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from zoo_core.system.distributions import installed


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One line of a distribution's entry_points.txt."""

    name: str
    value: str
    distribution: str
    version: str

    @property
    def module(self) -> str:
        """The module of the entry point."""
        return self.value.partition(":")[0].strip()

    def load(self) -> Any:
        """Import the object of the entry point."""
        result: Any = import_module(self.module)
        for part in filter(None, self.value.partition(":")[2].strip().split(".")):
            result = getattr(result, part)
        return result


def entry_points(group: str) -> list[EntryPoint]:
    """The entry points of a group, sorted by name."""
    points = [
        EntryPoint(name, value, row["name"], row["version"])
        for row in installed().values()
        for its_group, name, value in row["points"]
        if its_group == group
    ]
    return sorted(points, key=lambda point: point.name)
