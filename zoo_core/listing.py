"""What is registered, as data: the contract's lists. Imports nothing that a plugin hides."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.nouns import Backend, ModelCard
    from zoo_core.plugins import Plugins
    from zoo_core.registry import Registry


def backends(plugins: Plugins) -> list[dict[str, Any]]:
    """A row per backend, with what its probe found."""
    return [_backend(plugins, item) for item in plugins.backends().values()]


def _backend(plugins: Plugins, backend: Backend) -> dict[str, Any]:
    found = backend.found()
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


def models(registry: Registry, plugins: Plugins) -> list[dict[str, Any]]:
    """A row per card; `runnable` when every provider it names is installed."""
    available = [b.name for b in plugins.backends().values()]
    return [_model(card, plugins, available) for card in registry.models.values()]


def _model(card: ModelCard, plugins: Plugins, backends_known: list[str]) -> dict[str, Any]:
    missing = missing_providers(card, plugins)
    reason = "; ".join(f"no {kind} '{name}' is installed" for kind, name in missing)
    return {
        "id": card.id,
        "task": card.task,
        "family": card.family,
        "summary": card.summary,
        "source": card.repository.name,
        "exporter": card.exporter,
        "decoder": card.decoder,
        "backends": backends_known,
        "sample": card.sample is not None,
        "runnable": not missing,
        "reason": reason,
    }


def missing_providers(card: ModelCard, plugins: Plugins) -> list[tuple[str, str]]:
    """The providers (kind, name) that a card names and no plugin gives."""
    wanted = [
        ("exporter", card.exporter),
        ("decoder", card.decoder),
        ("evaluator", card.evaluator),
        ("dataset", card.dataset),
    ]
    return [(kind, name) for kind, name in wanted if name not in plugins.all(kind)]


def plugins_table(plugins: Plugins) -> list[dict[str, Any]]:
    """A row per plugin: broken ones with their failure, disabled ones with what disabled them."""
    from zoo_core.plugins import KINDS

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


def show(card: ModelCard) -> dict[str, Any]:
    """A card as JSON, its family merged in."""
    data: Mapping[str, Any] = asdict(card)
    plain: dict[str, Any] = json.loads(json.dumps(data, default=dict))
    return plain


def check(registry: Registry, plugins: Plugins) -> list[dict[str, Any]]:
    """Findings on the registry and what is installed: {"where", "severity", "message", "next"}."""
    found = [
        _finding(f"plugin {plugin.name}", "error", plugin.failure or "", "reinstall or disable it")
        for plugin in plugins.failures
    ]
    for card in registry.models.values():
        found += _check_card(card, registry, plugins)
    return found


def _check_card(card: ModelCard, registry: Registry, plugins: Plugins) -> list[dict[str, Any]]:
    from zoo_core.protocols import task_values
    from zoo_core.vision import Preprocess

    where = f"{card.origin}: models.{card.id}"
    missing = missing_providers(card, plugins)
    found = [
        _finding(where, "warning", f"no {kind} '{name}' is installed", "install its plugin")
        for kind, name in missing
    ]
    try:
        Preprocess.from_data(card.preprocess, where=f"{where}.preprocess")
        if not missing:
            evaluator = plugins.evaluator(card.evaluator)
            for name in {card.protocol, *card.protocols.values()}:
                evaluator.check(task_values(registry.protocols[name]))
            plugins.decoder(card.decoder).bind(card.decoder_params, len(card.labels), 0.001)
    except ZooError as error:
        found.append(_finding(error.where or where, "error", error.what, error.next))
    return [*found, *_check_published(card, where)]


def _check_published(card: ModelCard, where: str) -> list[dict[str, Any]]:
    seen: dict[tuple[Any, ...], str] = {}
    found = []
    for row in card.published:
        same = (row.protocol, row.dataset, row.size, row.precision, row.device, row.weights)
        if same in seen:
            what = f"published rows {seen[same]} and {row.id} claim the same conditions"
            found.append(_finding(f"{where}.published", "warning", what, "tell them apart"))
        seen[same] = row.id
    return found


def _finding(where: str, severity: str, message: str, next_step: str) -> dict[str, Any]:
    return {"where": where, "severity": severity, "message": message, "next": next_step}
