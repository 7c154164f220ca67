"""The models as a list: what each needs, what keeps it from running here, and which are wanted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError, ZooError, did_you_mean
from zoo_core.planning.absent import absent_files, nearest_option
from zoo_core.registry.cards import NONE
from zoo_core.system.paths import home

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import ModelCard, WeightsOption
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

NO_EXPORTER = "no exporter yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which models are asked for; None asks for no particular one.

    `source` is a repository's name, or its part before or after the slash.
    """

    task: str | None = None
    source: str | None = None
    backend: str | None = None
    precision: str | None = None
    runnable: bool = False

    @property
    def by_backend(self) -> bool:
        """Whether models are left out that no wanted backend takes."""
        return self.backend is not None or self.precision is not None


def models(registry: Registry, plugins: Plugins, wanted: Wanted) -> list[dict[str, Any]]:
    """A row per wanted card, `runnable` where all that it needs is here or can be had.

    A row's `backends` are those whose parts are installed with the card's exporter. Where a backend
    or a precision is wanted, exporter and compilers are loaded, and those remain that take what it
    makes. Raises UsageError for a filter's unknown value.
    """
    _check(registry, plugins, wanted)
    takers = _Takers(plugins, wanted)
    rows = []
    for card in registry.models.values():
        if not _fits(card, wanted):
            continue
        taking = takers.taking(card)
        row = _row(card, plugins, taking)
        if (not wanted.by_backend or taking) and (row["runnable"] or not wanted.runnable):
            rows.append(row)
    return rows


def missing_providers(card: ModelCard, plugins: Plugins) -> list[tuple[str, str]]:
    """The providers (kind, name) that a card names and no plugin gives; `none` names none."""
    named = [
        ("exporter", card.exporter),
        ("decoder", card.decoder),
        ("evaluator", card.evaluator),
        ("dataset", card.dataset),
    ]
    return [(kind, name) for kind, name in named if name != NONE and name not in plugins.all(kind)]


def hindrance(card: ModelCard, plugins: Plugins) -> str:
    """What keeps a card from running here, "" for nothing; no network is asked."""
    if card.exporter == NONE:
        return NO_EXPORTER
    missing = missing_providers(card, plugins)
    if missing:
        return "; ".join(absent(plugins, kind, name)[0] for kind, name in missing)
    if not plugins.backends():
        return "no backend is installed"
    if card.sample or any(_can_be_had(card, option) for option in card.weights):
        return ""
    return _weights_hindrance(card)


def absent(plugins: Plugins, kind: str, name: str) -> tuple[str, str]:
    """What to say of a provider that no loaded plugin gives, and what to do."""
    nowhere = (f"no {kind} '{name}' is installed", "install its plugin")
    return plugins.hidden(kind, name) or nowhere


def weights_from(card: ModelCard) -> str:
    """Where a card's weights come from: a download and its size, by hand, the bundled sample."""
    places = [_brought(option) for option in card.weights]
    return ", ".join(dict.fromkeys([*places, *(["sample"] if card.sample else [])]))


def _brought(option: WeightsOption) -> str:
    files = option.files.values()
    if any(source.by_hand for source in files):
        return "by hand"
    if any(source.url for source in files):
        size = sum(source.size or 0 for source in files if source.url)
        return f"download {size / 1e6:.0f} MB" if size else "download"
    return "installed"


def _row(card: ModelCard, plugins: Plugins, taking: list[str]) -> dict[str, Any]:
    reason = hindrance(card, plugins)
    return {
        "id": card.id,
        "task": card.task,
        "family": card.family,
        "summary": card.summary,
        "source": card.repository.name,
        "exporter": card.exporter,
        "decoder": card.decoder,
        "backends": taking,
        "weights": weights_from(card),
        "sample": card.sample is not None,
        "runnable": not reason,
        "reason": reason,
    }


def _can_be_had(card: ModelCard, option: WeightsOption) -> bool:
    away = absent_files(card, option)
    if any(source.by_hand for source in away):
        return False
    return not away or not _offline() or _is_stored(card, option)


def _offline() -> bool:
    if "ZOO_OFFLINE" not in os.environ:
        return False
    from zoo_core.system.download import offline

    return offline()


def _is_stored(card: ModelCard, option: WeightsOption) -> bool:
    from zoo_core.pipeline.plan import make_plan
    from zoo_core.pipeline.store import Store
    from zoo_core.planning.weights import published_weights

    store = Store(home() / "store")
    for weights in published_weights(card):
        stage = weights.stage()
        if stage and weights.format == option.format:
            return all(store.get(item.key) for item in make_plan([stage]))
    return False


def _weights_hindrance(card: ModelCard) -> str:
    if not card.weights:
        return "its card names no weights"
    _, away = nearest_option(card)
    by_hand = [source for source in away if source.by_hand]
    if by_hand:
        return f"weights by hand: zoo fetch {card.id} --from-file {by_hand[0].name}"
    return "ZOO_OFFLINE is set, and its weights are not in the cache"


class _Takers:
    """Which of the wanted backends take which card."""

    def __init__(self, plugins: Plugins, wanted: Wanted) -> None:
        self._plugins = plugins
        self._exactly = wanted.by_backend
        self._formats: dict[tuple[str, str], frozenset[str]] = {}
        self._backends = [
            backend
            for backend in plugins.backends().values()
            if wanted.backend in (None, backend.name)
            and wanted.precision in (None, *backend.precisions)
            and backend.compiler in plugins.all("compiler")
            and backend.runtime in plugins.all("runtime")
        ]

    def taking(self, card: ModelCard) -> list[str]:
        """Names of the backends."""
        if card.exporter not in self._plugins.all("exporter"):
            return []
        if not self._exactly:
            return [backend.name for backend in self._backends]
        made = self._of("exporter", card.exporter)
        return [b.name for b in self._backends if made & self._of("compiler", b.compiler)]

    def _of(self, kind: str, name: str) -> frozenset[str]:
        if (kind, name) not in self._formats:
            self._formats[kind, name] = self._load(kind, name)
        return self._formats[kind, name]

    def _load(self, kind: str, name: str) -> frozenset[str]:
        try:
            return frozenset(self._plugins.load(kind, name).formats)
        except ZooError:  # what cannot be loaded takes and gives nothing
            return frozenset()


def _fits(card: ModelCard, wanted: Wanted) -> bool:
    if wanted.task is not None and card.task != wanted.task:
        return False
    return wanted.source is None or wanted.source.lower() in _names(card)


def _names(card: ModelCard) -> set[str]:
    name = card.repository.name.lower()
    owner, _, rest = name.partition("/")
    return {name, owner, rest} - {""}


def _check(registry: Registry, plugins: Plugins, wanted: Wanted) -> None:
    cards = registry.models.values()
    _known("task", wanted.task, {card.task for card in cards})
    source = wanted.source.lower() if wanted.source else None
    _known("source", source, {name for card in cards for name in _names(card)})
    _known("backend", wanted.backend, plugins.backends())
    chosen = [b for b in plugins.backends().values() if wanted.backend in (None, b.name)]
    _known("precision", wanted.precision, {p for backend in chosen for p in backend.precisions})


def _known(what: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in known:
        raise UsageError(f"no {what} '{value}'", where=f"--{what}", next=did_you_mean(value, known))
