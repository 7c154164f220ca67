"""Plugins: found by entry point, loaded one by one, looked up by name."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import pluggy

from zoo_core.api import hooks
from zoo_core.errors import (
    UnavailableError,
    UsageError,
    ZooError,
    did_you_mean,
    first_line,
    raise_ctrl_c,
)
from zoo_core.plugins.entry_points import entry_points
from zoo_core.plugins.plugin import GROUP, Plugin
from zoo_core.plugins.selection import selection
from zoo_core.system.terminal import stdout_to_stderr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import ModuleType

    from zoo_core.api import (
        Backend,
        Compiler,
        Dataset,
        Decoder,
        Evaluator,
        Exporter,
        OfflineBuilder,
        Profiler,
        ProtocolOption,
        Provider,
        Runtime,
    )

__all__ = ["GROUP", "KINDS", "Plugin", "Plugins"]

_FILES = "zoo_registry_files"

KINDS = {
    "exporter": "zoo_exporters",
    "compiler": "zoo_compilers",
    "runtime": "zoo_runtimes",
    "decoder": "zoo_decoders",
    "evaluator": "zoo_evaluators",
    "dataset": "zoo_datasets",
    "profiler": "zoo_profilers",
    "emitter": "zoo_emitters",
    "backend": "zoo_backends",
}


def _check_named(item: Any) -> None:
    """Raises TypeError for what is neither a provider nor a backend."""
    if not isinstance(getattr(item, "name", None), str):
        raise TypeError(f"provides {item!r:.60}, which has no name")


class Plugins:
    """The loaded plugins and what they provide. Not global: create one and pass it on."""

    def __init__(self, modules: Iterable[ModuleType] = ()) -> None:
        """Takes modules directly, for tests; `installed` is the usual way."""
        self._manager = pluggy.PluginManager("zoo")
        self._manager.add_hookspecs(hooks)
        self._owners: dict[str, Plugin] = {}
        self._twins: dict[str, UsageError] = {}
        self.plugins: list[Plugin] = []
        self.disabled: list[Plugin] = []
        self._cache: dict[str, dict[str, Any]] = {}
        for module in modules:
            name = module.__name__
            plugin = Plugin(name=name, module=name, distribution=name, version="", api=None)
            self._register(plugin, lambda module=module: module)

    @classmethod
    def installed(cls) -> Plugins:
        """Every entry point of the group `zoo`, each loaded on its own.

        `ZOO_PLUGINS` names the only plugins to load, `ZOO_DISABLE_PLUGINS` those to skip; both are
        comma-separated names of entry points, modules or distributions. If neither is set, the
        plugins disabled by `zoo plugins disable` are skipped. Skipped plugins are not imported. A
        module in ZOO_PLUGINS need not be an entry point.
        """
        plugins = cls()
        choice = selection()
        known: set[str] = set()
        for entry in entry_points(GROUP):
            plugin = Plugin.of(entry)
            known |= plugin.names
            reason = choice.disabled_reason(plugin.names)
            if reason:
                plugins.disabled.append(replace(plugin, disabled=reason))
            else:
                plugins._register(plugin, lambda entry=entry: entry.load())
        for name in dict.fromkeys(choice.only or ()):
            if name not in known and name not in choice.without:
                plugin = Plugin(name=name, module=name, distribution="", version="", api=None)
                plugins._register(plugin, lambda name=name: import_module(name))
        return plugins

    @property
    def failures(self) -> list[Plugin]:
        """Plugins that could not be loaded."""
        return [plugin for plugin in self.plugins if plugin.failure]

    @property
    def hook(self) -> Any:
        """Pluggy's caller, for `zoo_run_stage` and `zoo_stage_done`."""
        return self._manager.hook

    def hooks(self, plugin: Plugin) -> list[str]:
        """Names of the hooks a plugin implements."""
        module = self._manager.get_plugin(plugin.name)
        callers = self._manager.get_hookcallers(module) if module else None
        return sorted(caller.name for caller in callers or ())

    def owner(self, kind: str, name: str) -> Plugin:
        """The plugin that provides `name`."""
        self.all(kind)
        return self._owners[f"{kind}:{name}"]

    def provided(self, plugin: Plugin) -> dict[str, list[str]]:
        """What a plugin provides: kind -> names; kinds without any are omitted."""
        table: dict[str, list[str]] = {}
        for kind in KINDS:
            names = [n for n in self.all(kind) if self._owners[f"{kind}:{n}"].name == plugin.name]
            if names:
                table[kind] = names
        return table

    def all(self, kind: str) -> dict[str, Any]:
        """Providers (or backends) of a kind by name, sorted.

        A name that two plugins provide is left out; `find` raises UsageError for it.
        """
        if kind not in self._cache:
            providers: dict[str, Any] = {}
            for plugin in list(self.plugins):
                for item in self._items(plugin, KINDS[kind]):
                    self._claim(kind, item.name, plugin)
                    providers[item.name] = item
            known = sorted(providers.items())
            self._cache[kind] = {n: v for n, v in known if f"{kind}:{n}" not in self._twins}
        return self._cache[kind]

    def find(self, kind: str, name: str) -> Any:
        """One provider (or backend); raises UsageError with a hint, which names failed plugins."""
        known = self.all(kind)
        if name in known:
            return known[name]
        what, step = self.missing(kind, name)
        raise UsageError(what, next=step)

    def missing(self, kind: str, name: str) -> tuple[str, str]:
        """Message and next step for a provider that no loaded plugin has.

        The next step names failed and disabled plugins, which may have it.
        """
        hint = did_you_mean(name, self.all(kind))
        if twins := self._twins.get(f"{kind}:{name}"):
            return twins.what, twins.next
        for plugin in self.failures:
            hint += f"; plugin {plugin.name} failed: {plugin.failure}"
        if self.disabled and not hint.startswith("did you mean"):
            which = ", ".join(f"{plugin.origin} {plugin.disabled}" for plugin in self.disabled)
            hint += f"; disabled: {which}"
        if not (self.failures or self.disabled or hint.startswith("did you mean")):
            hint += "; install the plugin that provides it (zoo's own: plugins/ of its repository)"
        return f"no {kind} '{name}'", hint

    def load(self, kind: str, name: str) -> Any:
        """The provided object itself; raises UnavailableError if it cannot be loaded."""
        provider = self.find(kind, name)
        try:
            with stdout_to_stderr():
                return provider.load()
        except ZooError:
            raise
        except BaseException as error:  # whatever a plugin raises
            raise_ctrl_c(error)
            reason = first_line(error)
            step = "install what {} needs" if isinstance(error, ImportError) else "update {}"
            raise UnavailableError(
                f"{kind} '{name}' cannot be loaded: {reason}",
                next=step.format(self.owner(kind, name).origin),
            ) from error

    def exporter(self, name: str) -> Exporter:
        """An exporter by name."""
        return cast("Exporter", self.load("exporter", name))

    def compiler(self, name: str) -> Compiler:
        """A compiler by name."""
        return cast("Compiler", self.load("compiler", name))

    def runtime(self, name: str) -> Runtime:
        """A runtime by name."""
        return cast("Runtime", self.load("runtime", name))

    def decoder(self, name: str) -> Decoder:
        """A decoder by name."""
        return cast("Decoder", self.load("decoder", name))

    def evaluator(self, name: str) -> Evaluator:
        """An evaluator by name."""
        return cast("Evaluator", self.load("evaluator", name))

    def dataset(self, name: str) -> Dataset:
        """A data set by name."""
        return cast("Dataset", self.load("dataset", name))

    def emitter(self, name: str) -> OfflineBuilder:
        """An emitter by name."""
        return cast("OfflineBuilder", self.load("emitter", name))

    def profiler(self, name: str) -> Profiler:
        """A profiler by name."""
        return cast("Profiler", self.load("profiler", name))

    def backend(self, name: str) -> Backend:
        """A backend by name."""
        return cast("Backend", self.find("backend", name))

    def provider(self, kind: str, name: str) -> Provider[object]:
        """A provider by name, not loaded."""
        return cast("Provider[object]", self.find(kind, name))

    def backends(self) -> Mapping[str, Backend]:
        """Every backend by name."""
        return self.all("backend")

    def protocol_options(self) -> dict[str, ProtocolOption]:
        """The options of all evaluators by name; the first one wins for equal names."""
        options: dict[str, ProtocolOption] = {}
        for provider in self.all("evaluator").values():
            for option in provider.options:
                options.setdefault(option.name, option)
        return options

    def registry_files(self) -> list[Path]:
        """Registry files of all plugins."""
        return [path for plugin in list(self.plugins) for path in self._items(plugin, _FILES)]

    def _items(self, plugin: Plugin, hook: str) -> list[Any]:
        fails = plugin.failure and not plugin.has_twin
        module = None if fails else self._manager.get_plugin(plugin.name)
        function = getattr(module, hook, None)
        if function is None or self._manager.parse_hookimpl_opts(cast("Any", module), hook) is None:
            return []
        try:
            with stdout_to_stderr():
                items = list(function())
            for item in items:
                item.stat() if hook == _FILES else _check_named(item)
            return items
        except BaseException as error:  # a hook that raises disables only its own plugin
            raise_ctrl_c(error)
            self._manager.unregister(module, plugin.name)
            failed = plugin.failed(error)
            self.plugins = [failed if p.name == plugin.name else p for p in self.plugins]
            return []

    def _claim(self, kind: str, name: str, plugin: Plugin) -> None:
        other = self._owners.setdefault(f"{kind}:{name}", plugin)
        if other.name != plugin.name:
            error = self._twins[f"{kind}:{name}"] = UsageError(
                f"two plugins provide {kind} '{name}': {other.origin} and {plugin.origin}",
                next="uninstall one, or name it in `zoo plugins disable` or ZOO_DISABLE_PLUGINS",
            )
            both = (other.name, plugin.name)
            self.plugins = [
                p.conflicting(error) if p.name in both and not p.failure else p
                for p in self.plugins
            ]

    def _register(self, plugin: Plugin, load: Any) -> None:
        try:
            self._check_unique(plugin)
            with stdout_to_stderr():
                module = load()
            api = getattr(module, "ZOO_API", None)
            plugin.check_api(api)
            self._add_hooks(module, plugin.name)
        except BaseException as error:  # whatever a plugin raises
            raise_ctrl_c(error)
            self.plugins.append(plugin.failed(error))
        else:
            self.plugins.append(replace(plugin, api=api))

    def _check_unique(self, plugin: Plugin) -> None:
        for other in self.plugins:
            if other.name == plugin.name and not other.failure:
                raise UsageError(
                    f"has the name of the plugin from {other.origin}",
                    next="uninstall one, or name its module in ZOO_DISABLE_PLUGINS",
                )

    def _add_hooks(self, module: ModuleType, name: str) -> None:
        try:
            self._manager.register(module, name)
            self._manager.check_pending()
        except Exception:
            if self._manager.get_plugin(name):  # pluggy before 1.7 keeps an invalid plugin
                self._manager.unregister(name=name)
            raise
