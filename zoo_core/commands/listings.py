"""What is registered, as data: the contract's lists. Imports nothing that a plugin hides."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_core.api import Backend, ModelCard
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry


def backends(plugins: Plugins) -> list[dict[str, Any]]:
    """A row per backend, with what its probe found."""
    return [_backend(plugins, item) for item in plugins.backends().values()]


def _backend(plugins: Plugins, backend: Backend) -> dict[str, Any]:
    found = backend.availability()
    return {
        "name": backend.name,
        "summary": backend.summary,
        "distribution": plugins.owner("backend", backend.name).distribution,
        "compiler": backend.compiler,
        "runtime": backend.runtime,
        "precisions": list(backend.precisions),
        "options": dict(backend.options),
        "version": found.version,
        "available": found.ok,
        "reason": found.reason,
        "next_step": found.next_step,
        "devices": [asdict(device) for device in found.devices],
    }


def plugins_table(plugins: Plugins) -> list[dict[str, Any]]:
    """A row per plugin: broken ones with their failure, disabled ones with what disabled them."""
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


def check(registry: Registry, plugins: Plugins, model: str | None = None) -> list[dict[str, Any]]:
    """Findings on what is installed and on the registry, or on one model, errors first.

    Each is {"where", "severity", "message", "next"}. Of equal severity, those on models in files of
    the user's own come first.
    """
    failures = [
        _finding(f"plugin {plugin.name}", "error", plugin.failure or "", "reinstall or disable it")
        for plugin in plugins.failures
    ]
    cards = [registry.model(model)] if model else list(registry.models.values())
    files = _shipped(plugins)
    own = [card for card in cards if card.origin not in files]
    others = [card for card in cards if card.origin in files]
    shipped = [card for card in registry.models.values() if card.origin in files]
    found = [
        *(finding for card in own for finding in _check_card(card, registry, plugins)),
        *(finding for card in own for finding in _check_names(card, plugins, shipped)),
        *failures,
        *(finding for card in others for finding in _check_card(card, registry, plugins)),
    ]
    return sorted(found, key=lambda finding: str(finding["severity"]))


def _shipped(plugins: Plugins) -> set[str]:
    """Registry files that come with zoo or a plugin, as cards name their origin."""
    from zoo_core.registry.load import packed_folder, packed_registry

    return {str(path) for path in (packed_registry(), *packed_folder(), *plugins.registry_files())}


def _check_card(card: ModelCard, registry: Registry, plugins: Plugins) -> list[dict[str, Any]]:
    from zoo_core.registry.cards import NONE
    from zoo_core.registry.published import contradictions

    where = f"{card.origin}: models.{card.id}"
    found = [] if card.exporter == NONE else _check_parts(card, registry, plugins, where)
    place = f"{where}.published"
    disputed = contradictions(card, registry.protocols)
    return [*found, *(_finding(place, "warning", what, step) for what, step in disputed)]


def _check_names(
    card: ModelCard, plugins: Plugins, shipped: Sequence[ModelCard]
) -> Iterator[dict[str, Any]]:
    from zoo_core.commands.check import unknown_names

    where = f"{card.origin}: models.{card.id}"
    for key, what, step in unknown_names(card, plugins, shipped):
        yield _finding(f"{where}.{key}", "warning", what, step)


def _check_parts(
    card: ModelCard, registry: Registry, plugins: Plugins, where: str
) -> list[dict[str, Any]]:
    from zoo_core.commands.check import refused_options
    from zoo_core.commands.models import missing_providers
    from zoo_core.registry.protocols import task_values
    from zoo_core.vision import Preprocess

    missing = missing_providers(card, plugins)
    found = [_absent(where, kind, name, plugins) for kind, name in missing]
    try:
        Preprocess.from_data(card.preprocess, where=f"{where}.preprocess")
        if not missing:
            evaluator = plugins.evaluator(card.evaluator)
            for name in {card.protocol, *card.protocols.values()}:
                evaluator.check(task_values(registry.protocols[name]))
            plugins.decoder(card.decoder).bind(card.decoder_params, len(card.labels), 0.001)
    except ZooError as error:
        found.append(_finding(error.where or where, "error", error.what, error.next))
    refused = refused_options(card, registry, plugins)
    return [*found, *(_finding(e.where or where, "error", e.what, e.next) for e in refused)]


def _absent(where: str, kind: str, name: str, plugins: Plugins) -> dict[str, Any]:
    from zoo_core.commands.models import absent

    what, step = absent(plugins, kind, name)
    return _finding(where, "warning", what, step)


def _finding(where: str, severity: str, message: str, next_step: str) -> dict[str, Any]:
    return {"where": where, "severity": severity, "message": message, "next": next_step}
