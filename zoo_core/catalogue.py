"""The models as a list: what each needs, what keeps it from running here, and which are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError, ZooError, did_you_mean
from zoo_core.registry.cards import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.nouns import ModelCard, WeightsOption
    from zoo_core.plugins import Plugins
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


def models(
    registry: Registry, plugins: Plugins, wanted: Wanted, with_backends: bool = True
) -> list[dict[str, Any]]:
    """A row per wanted card, `runnable` where all that it needs is here or can be had.

    A row's `backends` are those that take what its exporter makes; finding them loads exporters
    and compilers, and is left out (an empty list) where nothing asks for it. Raises UsageError for
    a filter's unknown value.
    """
    _check(registry, plugins, wanted)
    compilers = _Compilers(plugins, wanted) if with_backends or _by_backend(wanted) else None
    rows = []
    for card in registry.models.values():
        if not _fits(card, wanted):
            continue
        taking = compilers.taking(card) if compilers else []
        row = _row(card, plugins, taking)
        if (not _by_backend(wanted) or taking) and (row["runnable"] or not wanted.runnable):
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
        return "; ".join(f"no {kind} '{name}' is installed" for kind, name in missing)
    if not plugins.backends():
        return "no backend is installed"
    if card.sample or any(_can_be_had(card, option) for option in card.weights):
        return ""
    return _weights_hindrance(card)


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
        "sample": card.sample is not None,
        "runnable": not reason,
        "reason": reason,
    }


def _can_be_had(card: ModelCard, option: WeightsOption) -> bool:
    from zoo_core.planner.assets import by_hand_file
    from zoo_core.sources.reach import offline

    files = option.files.values()
    away = [source for source in files if not by_hand_file(card.id, source).is_file()]
    if any(source.by_hand for source in away):
        return False
    return not offline() or not any(source.url for source in away) or _is_stored(card, option)


def _is_stored(card: ModelCard, option: WeightsOption) -> bool:
    from zoo_core.home import home
    from zoo_core.plan import make_plan
    from zoo_core.planner.assets import published_weights
    from zoo_core.store import Store

    store = Store(home() / "store")
    for weights in published_weights(card):
        stage = weights.stage()
        if stage and weights.format == option.format:
            return all(store.get(item.key) for item in make_plan([stage]))
    return False


def _weights_hindrance(card: ModelCard) -> str:
    by_hand = [s for option in card.weights for s in option.files.values() if s.by_hand]
    if by_hand:
        return f"weights by hand: zoo fetch {card.id} --from-file {by_hand[0].name}"
    if card.weights:
        return "ZOO_OFFLINE is set, and its weights are not in the cache"
    return "its card names no weights"


def _by_backend(wanted: Wanted) -> bool:
    return wanted.backend is not None or wanted.precision is not None


class _Compilers:
    """Which of the wanted backends take which card."""

    def __init__(self, plugins: Plugins, wanted: Wanted) -> None:
        self._plugins = plugins
        self._takes: dict[str, frozenset[str]] = {}
        for backend in plugins.backends().values():
            named = wanted.backend in (None, backend.name)
            if named and wanted.precision in (None, *backend.precisions):
                self._takes[backend.name] = self._formats("compiler", backend.compiler)
        self._gives: dict[str, frozenset[str]] = {}

    def taking(self, card: ModelCard) -> list[str]:
        """Names of the backends whose compiler reads what the card's exporter makes."""
        name = card.exporter
        if name not in self._gives:
            self._gives[name] = self._formats("exporter", name)
        return [backend for backend, takes in self._takes.items() if takes & self._gives[name]]

    def _formats(self, kind: str, name: str) -> frozenset[str]:
        if name not in self._plugins.all(kind):
            return frozenset()
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
    names = [card.repository.name for card in cards]
    sources = {name for card in cards for name in _names(card)}
    _known("task", wanted.task, {card.task for card in cards})
    if wanted.source is not None and wanted.source.lower() not in sources:
        _known("source", wanted.source, set(names))
    _known("backend", wanted.backend, plugins.backends())
    chosen = [b for b in plugins.backends().values() if wanted.backend in (None, b.name)]
    _known("precision", wanted.precision, {p for backend in chosen for p in backend.precisions})


def _known(what: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in known:
        raise UsageError(f"no {what} '{value}'", where=f"--{what}", next=did_you_mean(value, known))
