"""`zoo check`: checks the registry against the installed plugins."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING, Any

from zoo_core.api import AUTO, CompileRequest, ExportRequest, Target
from zoo_core.api.graph import GRAPH_FILE
from zoo_core.commands.models import missing_providers
from zoo_core.errors import RegistryError, ZooError
from zoo_core.planning.exporters import card_for_format
from zoo_core.planning.resolve import default_device
from zoo_core.plugins.manager import KINDS
from zoo_core.registry.load import packed_registry
from zoo_core.registry.protocols import choose, effective_preprocess, overridden, task_values
from zoo_core.registry.published import contradictions
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zoo_core.api import Backend, ModelCard, ScoringProtocol
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

_UNSTATED = "not stated"


def check(registry: Registry, plugins: Plugins, model: str | None = None) -> list[dict[str, Any]]:
    """Findings on the plugins and on the registry, or on one model; errors first.

    Each is {"where", "severity", "message", "next"}. Of equal severity, findings on models in the
    user's own files come first.
    """
    for kind in KINDS:
        plugins.all(kind)
    failures = [
        _finding(f"plugin {plugin.name}", "error", plugin.failure or "", "reinstall or disable it")
        for plugin in plugins.failures
    ]
    failures += [_finding(f.where, "error", f.what, f.next) for f in registry.faults]
    cards = [registry.model(model)] if model else list(registry.models.values())
    files = _shipped(plugins)
    own = [card for card in cards if card.origin not in files]
    others = [card for card in cards if card.origin in files]
    shipped = [card for card in registry.models.values() if card.origin in files]
    findings = [
        *(finding for card in own for finding in _check_card(card, registry, plugins)),
        *(finding for card in own for finding in _check_names(card, plugins, shipped)),
        *failures,
        *(finding for card in others for finding in _check_card(card, registry, plugins)),
    ]
    return sorted(findings, key=lambda finding: str(finding["severity"]))


def _shipped(plugins: Plugins) -> set[str]:
    """Registry files of zoo and of plugins, spelt as in a card's origin."""
    return {str(path) for path in (packed_registry(), *plugins.registry_files())}


def _check_card(card: ModelCard, registry: Registry, plugins: Plugins) -> list[dict[str, Any]]:
    where = f"{card.origin}: models.{card.id}"
    findings = _check_parts(card, registry, plugins, where)
    place = f"{where}.published"
    disputes = contradictions(card, registry.protocols)
    return [*findings, *(_finding(place, "warning", what, step) for what, step in disputes)]


def _check_names(
    card: ModelCard, plugins: Plugins, shipped: Sequence[ModelCard]
) -> Iterator[dict[str, Any]]:
    where = f"{card.origin}: models.{card.id}"
    for key, what, step in _unknown_names(card, plugins, shipped):
        yield _finding(f"{where}.{key}", "warning", what, step)


def _check_parts(
    card: ModelCard, registry: Registry, plugins: Plugins, where: str
) -> list[dict[str, Any]]:
    missing = missing_providers(card, plugins)
    findings = [_finding(where, "warning", *plugins.missing(*pair)) for pair in missing]
    try:
        base = Preprocess.from_data(card.preprocess, where=f"{where}.preprocess")
        findings += _overrides(base, registry.protocols[card.protocol], f"{where}.preprocess")
        if not missing:
            evaluator = plugins.evaluator(card.evaluator)
            for name in {card.protocol, *card.protocols.values()}:
                evaluator.check(task_values(registry.protocols[name]))
            if card.decoder != AUTO:
                plugins.decoder(card.decoder).bind(card.decoder_params, len(card.labels), 0.001)
    except ZooError as error:
        findings.append(_finding(error.where or where, "error", error.what, error.next))
    errors = [*_exporter_errors(card, plugins, where), *_backend_errors(card, registry, plugins)]
    return [*findings, *(_finding(e.where or where, "error", e.what, e.next) for e in errors)]


def _overrides(base: Preprocess, protocol: ScoringProtocol, where: str) -> Iterator[dict[str, Any]]:
    for name, (own, value) in overridden(base, protocol).items():
        what = f"has {name} {own}, but protocol {protocol.name} has {value}, which runs use"
        step = "write the same in both, or name a protocol without it"
        yield _finding(where, "warning", what, step)


def _unknown_names(
    card: ModelCard, plugins: Plugins, shipped: Sequence[ModelCard]
) -> Iterator[tuple[str, str, str]]:
    """(key of the card, what, next) for each name that no installed plugin provides.

    It may be misspelt, or belong to a plugin that is not installed. Names in `shipped` cards are
    known, whether their plugin is installed or not.
    """
    known = {*plugins.backends(), *chain(*({*c.backends, *c.protocols} for c in shipped))}
    for key, names in (("backends", card.backends), ("protocols", card.protocols)):
        for name in names:
            if name not in known:
                what = f"no backend '{name}' is installed, so this has no effect"
                yield f"{key}.{name}", what, _hint(name, known)
    exporters = {*plugins.all("exporter"), *chain(*(c.exporters for c in shipped))}
    for name in card.exporters:
        if name not in exporters:
            what = f"no exporter '{name}' is installed, so weights for it are refused"
            yield f"exporters.{name}", what, _hint(name, exporters)
    yield from _unknown_in_published(card, plugins, shipped)


def _exporter_errors(card: ModelCard, plugins: Plugins, where: str) -> Iterator[ZooError]:
    """Errors that the card's exporters raise for what it says to them, as before a run."""
    if card.exporter not in plugins.all("exporter"):
        return
    told = set()
    for option in card.weights:
        own = card_for_format(card, plugins, option.format)
        request = ExportRequest(
            weights="published",
            format=option.format,
            files={role: f"weights/{source.name}" for role, source in option.files.items()},
            seed=0,
            size=card.size,
            classes=len(card.labels),
            source="builtin",
            form="heads",
            others=plugins.exporter,
        )
        try:
            plugins.exporter(own.exporter).stages(own, request)
        except ZooError as error:
            place = error.where or ""
            about = place.startswith(where) or "exporter_params" in place
            about = about or isinstance(error, RegistryError)
            if about and str(error) not in told:  # of the rest a run tells
                told.add(str(error))
                yield error


def _backend_errors(
    card: ModelCard, registry: Registry, plugins: Plugins
) -> Iterator[RegistryError]:
    """Errors that installed backends raise for the card's options for them, as before a run."""
    for name in card.backends:
        backend = plugins.backends().get(name)
        if backend is None or backend.compiler not in plugins.all("compiler"):
            continue
        try:
            request = _default_request(card, registry, backend, plugins)
            plugins.compiler(backend.compiler).stages(request)
        except RegistryError as error:
            yield error
        except ZooError:  # not about the options: a run reports it
            continue


def _default_request(
    card: ModelCard, registry: Registry, backend: Backend, plugins: Plugins
) -> CompileRequest:
    """A compile request with default values, for planning only: its graph need not exist."""
    compiler, precision = plugins.compiler(backend.compiler), backend.precisions[0]
    protocol = choose(registry.protocols, card, backend.name, None)
    base = Preprocess.from_data(card.preprocess)
    return CompileRequest(
        card=card,
        target=Target(backend=backend.name, precision=precision, device=default_device(backend)),
        graph=f"export/{GRAPH_FILE}",
        format=compiler.formats[0],
        form=compiler.form,
        calibration="calibration/images.json" if compiler.needs_calibration(precision) else None,
        calibrator=None,
        preprocess=effective_preprocess(base, protocol, card.size).to_data(),
        protocol=protocol,
        size=card.size,
        others=plugins.compiler,
    )


def _unknown_in_published(
    card: ModelCard, plugins: Plugins, shipped: Sequence[ModelCard]
) -> Iterator[tuple[str, str, str]]:
    rows = [(other, row) for other in shipped for row in other.published]
    datasets = {
        *plugins.all("dataset"),
        *(r.dataset for _, r in rows),
        *(c.dataset for c in shipped),
    }
    installed = chain(*(backend.precisions for backend in plugins.backends().values()))
    precisions = {*installed, *(row.precision for _, row in rows)}
    metrics = set(chain(*(row.metrics for c, row in rows if c.evaluator == card.evaluator)))
    for number, row in enumerate(card.published):
        where, effect = f"published[{number}]", "so this row is never compared"
        if row.dataset not in datasets:
            what = f"no data set '{row.dataset}' is installed, {effect}"
            yield f"{where}.dataset", what, _hint(row.dataset, datasets)
        if row.precision not in precisions and not row.precision.startswith(_UNSTATED):
            what = f"no backend supports precision '{row.precision}', {effect}"
            yield f"{where}.precision", what, _hint(row.precision, precisions)
        for name in row.metrics:
            if metrics and name not in metrics:
                what = f"{card.evaluator} has no metric '{name}', so it is never compared"
                yield f"{where}.metrics.{name}", what, _hint(name, metrics)


def _hint(name: str, known: Iterable[str]) -> str:
    names = {other.lower(): other for other in sorted(known)}
    close = get_close_matches(name.lower(), names, n=1)
    if close:
        return f"did you mean '{names[close[0]]}'?"
    return "install the plugin that provides it, or correct the name"


def _finding(where: str, severity: str, message: str, next_step: str) -> dict[str, Any]:
    return {"where": where, "severity": severity, "message": message, "next": next_step}
