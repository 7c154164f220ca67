"""One plugin: its names, its origin, and why it failed or is disabled."""

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
"""The entry-point group of plugins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plugin: an entry point, or a module named in ZOO_PLUGINS.

    `failure` says why it could not be loaded, `disabled` what disables it; `has_twin` is true if
    all that fails is a name that another plugin provides too.
    """

    name: str
    module: str
    distribution: str
    version: str
    api: int | None
    failure: str | None = None
    disabled: str | None = None
    has_twin: bool = False

    @classmethod
    def of(cls, entry: EntryPoint) -> Plugin:
        """The plugin of an entry point, not loaded."""
        return cls(
            name=entry.name,
            module=entry.module,
            distribution=entry.distribution,
            version=entry.version,
            api=None,
        )

    @property
    def names(self) -> frozenset[str]:
        """Names that a user may use for it: entry point, module, distribution."""
        return frozenset({self.name, self.module, self.distribution} - {""})

    @property
    def origin(self) -> str:
        """What to update or uninstall: its distribution, else its module."""
        return self.distribution or self.module

    def failed(self, error: BaseException) -> Plugin:
        """The same plugin, with the first line of the error as its failure."""
        return replace(self, failure=f"{type(error).__name__}: {first_line(error)}")

    def conflicting(self, error: UsageError) -> Plugin:
        """The same plugin, with the error as its failure; what else it provides can be used."""
        return replace(self, failure=str(error), has_twin=True)

    def check_api(self, version: object) -> None:
        """Raises UsageError for a version of the hooks (its ZOO_API) other than zoo's."""
        if version in (None, HOOK_API):
            return
        newer = isinstance(version, int) and version > HOOK_API
        raise UsageError(
            f"needs version {version} of the hooks, this zoo has {HOOK_API}",
            next=f"update zoo-core, or install an older {self.origin}"
            if newer
            else f"update {self.origin}",
        )


def installed() -> list[Plugin]:
    """Every plugin that is an entry point, by name; imports none of them."""
    return [Plugin.of(entry) for entry in entry_points(GROUP)]


def find_plugin(name: str, plugins: Iterable[Plugin]) -> Plugin:
    """The plugin of this name; raises UsageError with a hint if there is none."""
    known = list(plugins)
    for plugin in known:
        if name in plugin.names:
            return plugin
    raise UsageError(f"no plugin '{name}'", next=did_you_mean(name, [p.name for p in known]))
