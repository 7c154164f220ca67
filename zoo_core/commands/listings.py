"""Backends, plugins, data sets and protocols as lists of rows. Loads no provider."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo_core.api import Backend
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry


def backends(plugins: Plugins) -> list[dict[str, Any]]:
    """A row per backend, with its availability."""
    return [_backend(plugins, item) for item in plugins.backends().values()]


def _backend(plugins: Plugins, backend: Backend) -> dict[str, Any]:
    status = backend.availability()
    return {
        "name": backend.name,
        "summary": backend.summary,
        "default": backend.default,
        "distribution": plugins.owner("backend", backend.name).distribution,
        "compiler": backend.compiler,
        "runtime": backend.runtime,
        "precisions": list(backend.precisions),
        "options": dict(backend.options),
        "version": status.version,
        "available": status.ok,
        "reason": status.reason,
        "next_step": status.next_step,
        "devices": [asdict(device) for device in status.devices],
    }


def plugins_table(plugins: Plugins) -> list[dict[str, Any]]:
    """A row per plugin, with its failure or with what disables it."""
    from zoo_core.plugins.manager import KINDS

    for kind in KINDS:
        plugins.all(kind)
    return [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "api": plugin.api,
            "hooks": plugins.hooks(plugin),
            "providers": plugins.provided(plugin),
            "failure": plugin.failure,
            "disabled": plugin.disabled,
        }
        for plugin in [*plugins.plugins, *plugins.disabled]
    ]


def datasets(plugins: Plugins) -> list[dict[str, Any]]:
    """A row per data set."""
    return [
        {
            "name": provider.name,
            "summary": provider.summary,
            "distribution": plugins.owner("dataset", provider.name).distribution,
        }
        for provider in plugins.all("dataset").values()
    ]


def protocols(registry: Registry) -> list[dict[str, Any]]:
    """A row per protocol."""
    return [
        {
            "name": protocol.name,
            "task": protocol.task,
            "hash": protocol.hash,
            "values": dict(protocol.values),
            "unknown": list(protocol.unknown),
            "note": protocol.note,
        }
        for protocol in registry.protocols.values()
    ]
