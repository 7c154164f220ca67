"""One plugin: where it comes from, and what keeps it from being used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo_core.api.provider import HOOK_API
from zoo_core.errors import UsageError, did_you_mean, first_line
from zoo_core.plugins.entry_points import entry_points

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.plugins.entry_points import EntryPoint

GROUP = "zoo"
"""The group of entry points in which plugins are found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One entry point, or a module named by hand.

    `failure` says why it could not be loaded; `disabled` by what it was left out.
    """

    name: str
    module: str
    distribution: str
    version: str
    api: int | None
    failure: str | None = None
    disabled: str | None = None

    @classmethod
    def of(cls, entry: EntryPoint) -> Plugin:
        """An entry point that has not been loaded."""
        return cls(
            name=entry.name,
            module=entry.module,
            distribution=entry.distribution,
            version=entry.version,
            api=None,
        )

    @property
    def names(self) -> frozenset[str]:
        """What a user may call it: entry point, module, distribution."""
        return frozenset({self.name, self.module, self.distribution} - {""})

    @property
    def origin(self) -> str:
        """What would be updated or uninstalled: its distribution, else its module."""
        return self.distribution or self.module

    def failed(self, error: BaseException) -> Plugin:
        """The same, with the first line of what it raised."""
        return replace(self, failure=f"{type(error).__name__}: {first_line(error)}")

    def check_api(self, stated: object) -> None:
        """Raises UsageError where it states to be written for other hooks than zoo's."""
        if stated in (None, HOOK_API):
            return
        newer = isinstance(stated, int) and stated > HOOK_API
        raise UsageError(
            f"is written for hooks {stated}, this zoo has {HOOK_API}",
            next=f"update zoo-core, or install an older {self.origin}"
            if newer
            else f"update {self.origin}",
        )


def installed() -> list[Plugin]:
    """Every entry point of the group, by name; nothing is imported."""
    return [Plugin.of(entry) for entry in entry_points(GROUP)]


def named(name: str, among: Iterable[Plugin]) -> Plugin:
    """The plugin of this name; raises UsageError with a hint where there is none."""
    known = list(among)
    for plugin in known:
        if name in plugin.names:
            return plugin
    raise UsageError(f"no plugin '{name}'", next=did_you_mean(name, [p.name for p in known]))
