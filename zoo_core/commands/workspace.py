"""Everything a command works with: plugins, registry, store and journal of this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo_core.pipeline.durations import Durations
from zoo_core.pipeline.plan import make_plan
from zoo_core.pipeline.store import Store
from zoo_core.planning.resolve import CacheState
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import Registry, load_registry
from zoo_core.system.paths import home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Opened once per command; nothing of it is global."""

    plugins: Plugins
    registry: Registry
    store: Store
    journal: Durations
    _hosts: dict[str, bool] = field(default_factory=dict)

    def cache_state(self) -> CacheState:
        """What planning may ask of this machine; each host is tried once."""
        return CacheState(is_cached=self._is_cached, is_reachable=self._is_reachable)

    def _is_cached(self, stages: Sequence[Stage]) -> bool:
        return all(self.store.get(item.key) for item in make_plan(stages))

    def _is_reachable(self, url: str) -> bool:
        from zoo_core.system.download import network_reachable

        host = urlsplit(url).netloc
        if host not in self._hosts:
            self._hosts[host] = network_reachable(url)
        return self._hosts[host]


def open_workspace() -> Workspace:
    """The plugins that are installed, the registry files, and the folders under `home()`."""
    plugins = Plugins.installed()
    return Workspace(
        plugins=plugins,
        registry=load_registry(plugins.registry_files()),
        store=Store(home() / "store"),
        journal=Durations(home() / "journal.jsonl"),
    )
