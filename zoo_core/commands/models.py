"""`zoo models`: a row per model, with what it needs and what blocks it here; filters."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo_core.api import AUTO
from zoo_core.api.repository import source_stage
from zoo_core.errors import UsageError, ZooError, check_known
from zoo_core.planning.weights import absent_files, nearest_option
from zoo_core.system.files import write_json
from zoo_core.system.paths import home
from zoo_core.system.terminal import host_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zoo_core.api import ModelCard, Stage, WeightsOption
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

_NETWORK, _NO_NETWORK = "network", "no network"
_REACH_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFilter:
    """Which models to list; None does not filter.

    `source` is a repository's name, or the part before or after the slash. `size` is that of the
    network's input as `size_text` has it.
    """

    task: str | None = None
    family: str | None = None
    size: str | None = None
    source: str | None = None
    backend: str | None = None
    precision: str | None = None
    runnable: bool = False

    @property
    def by_backend(self) -> bool:
        """Whether to list only models that some backend supports."""
        return self.backend is not None or self.precision is not None


def models(registry: Registry, plugins: Plugins, filters: ModelFilter) -> list[dict[str, Any]]:
    """A row per card that passes the filters.

    A card is `runnable` if all that it needs is installed, local or can be downloaded now. A row's
    `backends` are those whose compiler and runtime are installed, if the card's exporter is. To
    filter by backend or precision, exporter and compilers are loaded, and only backends with a
    common graph format remain. Raises UsageError for an unknown value of a filter.
    """
    _check(registry, plugins, filters)
    compatible, reach = _CompatibleBackends(plugins, filters), Reach()
    rows = []
    for card in registry.models.values():
        if not _fits(card, filters):
            continue
        backends = compatible.for_card(card)
        row = _row(card, plugins, backends, reach)
        if (not filters.by_backend or backends) and (row["runnable"] or not filters.runnable):
            rows.append(row)
    return rows


def size_text(size: Sequence[int]) -> str:
    """Height and width of a network's input as people say it: 640 of a square, else 480x640."""
    height, width = size
    return str(height) if height == width else f"{height}x{width}"


def missing_providers(card: ModelCard, plugins: Plugins) -> list[tuple[str, str]]:
    """The providers (kind, name) that a card names and no plugin provides."""
    names = [
        ("exporter", card.exporter),
        ("decoder", card.decoder),
        ("evaluator", card.evaluator),
        ("dataset", card.dataset),
    ]
    return [(kind, name) for kind, name in names if name != AUTO and name not in plugins.all(kind)]


class Lack(NamedTuple):
    """The one thing that keeps a card from running here, and the same as a sentence.

    Both are empty where nothing does.
    """

    thing: str = ""
    reason: str = ""


def lack_of(
    card: ModelCard, plugins: Plugins, answers: Callable[[str], bool] | None = None
) -> Lack:
    """What keeps a card from running here.

    `answers` says whether the host of a URL can be reached; by default, whether ZOO_OFFLINE is
    not set.
    """
    answers = answers or (lambda _url: not _offline())
    missing = missing_providers(card, plugins)
    if missing:
        told = "; ".join(f"no {kind} '{name}' is {_state(plugins)}" for kind, name in missing)
        return Lack(f"a plugin: {' '.join(missing[0])}", told)
    if not plugins.backends():
        return Lack("a plugin: backend", "no backend is installed")
    if card.decoder == AUTO:
        return Lack("your file: --weights FILE.onnx", "give it your file: --weights FILE.onnx")
    if card.sample:
        return Lack()
    repository = _missing_repository(card, plugins, answers)
    if repository.thing not in ("", _NETWORK):
        return repository
    if any(_is_obtainable(card, option, answers) for option in card.weights):
        return repository
    weights = _missing_weights(card)
    return repository if repository.thing and weights.thing == _NETWORK else weights


class Reach:
    """Whether hosts answer; kept for some minutes, so that lists stay quick."""

    def __init__(self) -> None:
        self._path = home() / "network.json"
        try:
            rows = json.loads(self._path.read_bytes()).items()
            fresh = time.time() - _REACH_SECONDS
            self._known = {host: bool(ok) for host, (when, ok) in rows if when > fresh}
        except (OSError, ValueError, TypeError, AttributeError):
            self._known = {}

    def __call__(self, url: str) -> bool:
        """Whether the host of a URL answers. Where one took seconds not to, no other is asked."""
        from zoo_core.system.download import network_reachable

        if _offline():
            return False
        host = host_of(url)
        if host not in self._known:
            start = time.monotonic()
            self._known[host] = self._known.get("") is not False and network_reachable(url)
            if not self._known[host] and time.monotonic() - start > 1:
                self._known[""] = False
            with suppress(OSError):
                rows = {name: (time.time(), ok) for name, ok in self._known.items()}
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_json(self._path, rows)
        return self._known[host]


def _state(plugins: Plugins) -> str:
    return "installed or enabled" if plugins.disabled else "installed"


def weights_from(card: ModelCard) -> str:
    """Where a card's weights come from: a download with its size, by hand, or the sample."""
    places = [_origin(option) for option in card.weights]
    return ", ".join(dict.fromkeys([*places, *(["sample"] if card.sample else [])]))


def _origin(option: WeightsOption) -> str:
    files = option.files.values()
    if any(source.by_hand for source in files):
        return "by hand"
    if any(source.url for source in files):
        size = sum(source.size or 0 for source in files if source.url)
        return f"download {size / 1e6:.0f} MB" if size else "download"
    if any(source.path for source in files):
        return "in its repository"
    return "installed"


def _row(
    card: ModelCard, plugins: Plugins, backends: list[str], answers: Callable[[str], bool]
) -> dict[str, Any]:
    lack = lack_of(card, plugins, answers)
    return {
        "id": card.id,
        "task": card.task,
        "family": card.family,
        "summary": card.summary,
        "source": card.repository.name,
        "exporter": card.exporter,
        "decoder": card.decoder,
        "backends": backends,
        "weights": weights_from(card),
        "sample": card.sample is not None,
        "size": list(card.size),
        "runnable": not lack.reason,
        "reason": lack.reason,
        "missing": lack.thing,
    }


def _is_obtainable(card: ModelCard, option: WeightsOption, answers: Callable[[str], bool]) -> bool:
    absent = absent_files(card, option)
    if any(source.by_hand for source in absent):
        return False
    if not absent or _is_cached(card, option):
        return True
    if any(source.path for source in absent) and not _is_clonable(card, answers):
        return False
    return all(answers(source.url) for source in absent if source.url)


def _offline() -> bool:
    if "ZOO_OFFLINE" not in os.environ:
        return False
    from zoo_core.system.download import offline

    return offline()


def _is_cached(card: ModelCard, option: WeightsOption) -> bool:
    from zoo_core.planning.weights import published_weights

    for weights in published_weights(card):
        stages = weights.stages()
        if stages and weights.format == option.format:
            return _are_stored(stages)
    return False


def _are_stored(stages: Sequence[Stage]) -> bool:
    from zoo_core.pipeline.plan import make_plan
    from zoo_core.pipeline.store import Store

    store = Store(home() / "store")
    return all(store.get(item.key) for item in make_plan(stages))


def _missing_repository(card: ModelCard, plugins: Plugins, answers: Callable[[str], bool]) -> Lack:
    """Why the source repository that the card's exporter needs cannot be had."""
    inside = any(file.path for option in card.weights for file in option.files.values())
    if not inside and not plugins.provider("exporter", card.exporter).needs_repository:
        return Lack()
    try:
        source_stage(card)
    except UsageError as error:
        return Lack("a commit in the card", error.what)
    if _is_clonable(card, answers):
        return Lack()
    why = "ZOO_OFFLINE is set" if _offline() else _NO_NETWORK
    told = f"{why}, and {card.repository.name} is not in the cache: give --source DIR"
    return Lack(_NETWORK, told)


def _is_clonable(card: ModelCard, answers: Callable[[str], bool]) -> bool:
    """Whether the repository is in the store, on this machine, or its host answers."""
    url = card.repository.url
    return not url.startswith("https:") or _are_stored([source_stage(card)]) or answers(url)


def _missing_weights(card: ModelCard) -> Lack:
    if not card.weights:
        return Lack("weights: --weights FILE", "the card has no weights")
    _, absent = nearest_option(card)
    by_hand = [source for source in absent if source.by_hand]
    if by_hand:
        name = by_hand[0].name
        return Lack(f"file {name}", f"import weights: zoo fetch {card.id} --from-file {name}")
    why = "ZOO_OFFLINE is set" if _offline() else _NO_NETWORK
    return Lack(_NETWORK, f"{why}, and the weights are not in the cache")


class _CompatibleBackends:
    """Which backends that pass the filters support which card."""

    def __init__(self, plugins: Plugins, filters: ModelFilter) -> None:
        self._plugins = plugins
        self._by_format = filters.by_backend
        self._formats: dict[tuple[str, str], frozenset[str]] = {}
        self._backends = [
            backend
            for backend in plugins.backends().values()
            if filters.backend in (None, backend.name)
            and filters.precision in (None, *backend.precisions)
            and backend.compiler in plugins.all("compiler")
            and backend.runtime in plugins.all("runtime")
        ]

    def for_card(self, card: ModelCard) -> list[str]:
        """Names of the backends."""
        if card.exporter not in self._plugins.all("exporter"):
            return []
        if not self._by_format:
            return [backend.name for backend in self._backends]
        formats = self._formats_of("exporter", card.exporter)
        return [
            b.name for b in self._backends if formats & self._formats_of("compiler", b.compiler)
        ]

    def _formats_of(self, kind: str, name: str) -> frozenset[str]:
        if (kind, name) not in self._formats:
            self._formats[kind, name] = self._load(kind, name)
        return self._formats[kind, name]

    def _load(self, kind: str, name: str) -> frozenset[str]:
        try:
            return frozenset(self._plugins.load(kind, name).formats)
        except ZooError:  # a provider that cannot be loaded supports no format
            return frozenset()


def _fits(card: ModelCard, filters: ModelFilter) -> bool:
    wanted = (filters.task, filters.family, filters.size)
    own = (card.task, card.family, size_text(card.size))
    if any(want is not None and want != have for want, have in zip(wanted, own, strict=True)):
        return False
    return filters.source is None or filters.source.lower() in _names(card)


def _names(card: ModelCard) -> set[str]:
    name = card.repository.name.lower()
    owner, _, rest = name.partition("/")
    return {name, owner, rest} - {""}


def _check(registry: Registry, plugins: Plugins, filters: ModelFilter) -> None:
    cards = registry.models.values()
    backends = [b for b in plugins.backends().values() if filters.backend in (None, b.name)]
    source = filters.source.lower() if filters.source else None
    known: dict[str, tuple[str | None, Iterable[str]]] = {
        "--task": (filters.task, {card.task for card in cards}),
        "--family": (filters.family, {card.family for card in cards if card.family}),
        "--size": (filters.size, {size_text(card.size) for card in cards}),
        "--source": (source, {name for card in cards for name in _names(card)}),
        "--backend": (filters.backend, plugins.backends()),
        "--precision": (filters.precision, {p for backend in backends for p in backend.precisions}),
    }
    for option, (value, names) in known.items():
        check_known([] if value is None else [value], names, option)
