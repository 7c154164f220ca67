"""Resolves a request: card, target, protocol, preprocessing, weights and data."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo_core.api import DataRequest, MatchesLabels, Target
from zoo_core.api.dataset import tasks_of
from zoo_core.errors import DataError, UnavailableError, UsageError, did_you_mean
from zoo_core.planning.exporters import card_for_format, exporters
from zoo_core.planning.recognition import recognise
from zoo_core.planning.settings import (
    SettingsResolver,
    check_given,
    check_names,
    check_options,
    given_settings,
)
from zoo_core.planning.weights import (
    Weights,
    first_ready,
    missing_weights,
    not_cached,
    own_name,
    published_weights,
    sample_weights,
    stored_weights,
    user_weights,
)
from zoo_core.registry.protocols import choose, derive, task_values
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zoo_core.api import Backend, DataPlan, Evaluator, ModelCard, ScoringProtocol, Stage
    from zoo_core.planning.request import RunRequest
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

FOLDER = "folder"
"""The data set that reads a folder of images without ground truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheState:
    """What the planner may query: which stages are cached, which hosts can be reached."""

    is_cached: Callable[[Sequence[Stage]], bool]
    is_reachable: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A resolved request. `data` and `calibration` are None if not needed.

    `stored` is true if the target replays outputs that another program has stored; weights are
    then exported only if the user gives some, because the graph describes its outputs. `quantised`
    is true if the weights have ranges of their own that the compiler takes. `emulated`
    is true if an emulator replaces the device. `decisions` says what the user's files decided.
    `name` is that of the user's own weights, else the card's id. `tuned` is the file of
    `zoo tune` that some of the target's options are from.
    """

    card: ModelCard
    backend: Backend
    target: Target
    protocol: ScoringProtocol
    preprocess: Preprocess
    size: tuple[int, int]
    weights: Weights
    data: DataPlan | None
    calibration: DataPlan | None
    stored: bool = False
    quantised: bool = False
    emulated: bool = False
    decisions: tuple[str, ...] = ()
    tuned: Path | None = None
    name: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is known while planning and would mislead a reader of the figures."""
        used = (self.data, self.calibration)
        texts = (text for data in used if data for text in data.warnings)
        return tuple(dict.fromkeys((*self.decisions, *texts)))

    @property
    def has_graph(self) -> bool:
        """Whether a graph is exported."""
        return not self.stored or bool(self.weights.files)


def require_available(resolved: Resolved) -> None:
    """Raises UnavailableError unless the device of the request, or its backend, can run here."""
    availability = resolved.backend.availability()
    known = {device.id: device for device in availability.devices}
    where = f"backend {resolved.backend.name}"
    for name in resolved.target.devices:
        device = known.get(name)
        if device and device.available:
            continue
        if availability.ok and device is None and resolved.backend.check_device:
            resolved.backend.check_device(name)
        elif known and device is None:
            step = f"devices: {', '.join(known)}"
            raise UnavailableError(f"has no device '{name}'", where=where, next=step)
        elif device or not availability.ok:
            reason = (device.reason if device else "") or availability.reason
            raise UnavailableError(
                f"is not available: {reason}", where=where, next=availability.next_step
            )


def resolve(
    request: RunRequest,
    registry: Registry,
    plugins: Plugins,
    cache: CacheState,
    needs_data: bool,
    viewing: bool = False,
) -> Resolved:
    """Resolve a request; raises the error of the first part that is invalid or missing.

    `needs_data` is false if no image is run, as for an export. `viewing` is true for predictions
    that people look at: the evaluator's `viewing` values then replace those of the card's protocol.
    """
    taken = recognise(request, registry, plugins, needs_data)
    card, backend = taken.card, _backend(request, plugins)
    target = _target(request, backend)
    evaluator = plugins.evaluator(card.evaluator)
    protocol = choose(taken.protocols, card, backend.name, request.protocol)
    values = _viewed(evaluator, protocol) if viewing and not request.protocol else {}
    check_given(request, card, plugins)
    evaluator.check(task_values(derive(protocol, {**values, **request.changes})))
    chooser = _Chooser(request, card, registry, plugins, cache)
    stored = backend.needs_graph is not None and not backend.needs_graph(target)
    weights, data = chooser.stored() if stored else chooser.choose(needs_data)
    check_names(request, registry.model(request.model), weights)
    card = card_for_format(card, plugins, weights.format)
    given = given_settings(card, plugins, weights)
    resolver = SettingsResolver(request, card, protocol, values, _preprocess(card), given)
    settings = resolver.resolve()
    evaluator.check(task_values(settings.protocol))
    check_options(request, settings.protocol, plugins)
    compiler = plugins.compiler(backend.compiler)
    quantised = given.quantised and getattr(compiler, "takes_quantised", False)
    ranges = not (stored or quantised) and compiler.needs_calibration(target.precision)
    return Resolved(
        card=card,
        backend=backend,
        target=replace(target, batch=settings.batch),
        protocol=settings.protocol,
        preprocess=settings.preprocess,
        size=settings.size,
        weights=weights,
        data=_matched(data, card, evaluator, request.annotations),
        calibration=chooser.calibration(weights) if ranges else None,
        stored=stored,
        quantised=quantised,
        emulated=_emulated(backend, target),
        decisions=(*taken.warnings, *settings.warnings),
        name=request.name or own_name(request, card, weights) or card.id,
    )


def _viewed(evaluator: Evaluator, protocol: ScoringProtocol) -> dict[str, Any]:
    seen = getattr(evaluator, "viewing", {})
    return {name: value for name, value in seen.items() if name in protocol.values}


def _preprocess(card: ModelCard) -> Preprocess:
    where = f"{card.origin}: models.{card.id}.preprocess"
    return Preprocess.from_data(card.preprocess, where=where)


@dataclass(frozen=True, slots=True)
class _Chooser:
    request: RunRequest
    card: ModelCard
    registry: Registry
    plugins: Plugins
    cache: CacheState

    def choose(self, needs_data: bool) -> tuple[Weights, DataPlan | None]:
        request, card = self.request, self.card
        if request.weights:
            weights = user_weights(request, card, exporters(card, self.plugins))
            if request.assets == "sample":
                step = "omit one of them"
                raise UsageError("--assets sample and --weights exclude each other", next=step)
            return weights, self._own_data(weights) if needs_data else None
        if request.assets == "sample":
            return self._sample(needs_data)
        return self._published(needs_data)

    def stored(self) -> tuple[Weights, DataPlan | None]:
        """Weights and data for outputs that another program has stored."""
        if self.request.weights or self.request.assets == "sample":
            return self.choose(needs_data=True)
        weights = stored_weights()
        return weights, self._own_data(weights)

    def calibration(self, weights: Weights) -> DataPlan:
        count = self.request.calibration_images
        if self.request.calibration:
            return self._plan(FOLDER, "calibrate", self.request.calibration, count)
        own = weights.kind in ("sample", "random") and self.card.sample_dataset
        data = self._plan(own or self.card.dataset, "calibrate", None, count)
        if not self._data_ready(data):
            what = not_cached(f"the calibration images of {data.dataset}")
            raise DataError(what, next="give --calibration DIR")
        return data

    def _own_data(self, weights: Weights) -> DataPlan:
        data = self._data_for(weights.kind)
        if not self._data_ready(data):
            raise _images_missing(data)
        return data

    def _published(self, needs_data: bool) -> tuple[Weights, DataPlan | None]:
        options = published_weights(self.card, self.request.source)
        if not options and not self.card.sample:
            raise self._assets_missing(None)  # before the data: it is what the card lacks
        data = self._data_for("published") if needs_data else None
        if self.request.assets == "published":
            if not options:
                raise self._assets_missing(None)
            ready = first_ready(options, self.cache.is_cached, lambda _url: True)
            return ready or options[0], data
        weights = first_ready(options, self.cache.is_cached, self.cache.is_reachable)
        if weights and (data is None or self._data_ready(data)):
            return weights, data
        request = self.request
        own = request.images or request.annotations or request.predict or request.dataset
        if self.card.sample and not own:
            return self._sample(needs_data)
        raise self._assets_missing(data if weights else None)

    def _assets_missing(self, data: DataPlan | None) -> DataError:
        """The error for assets that are not available offline: the data, else the weights."""
        if data is not None:
            return _images_missing(data)
        what, step = missing_weights(self.card)
        if self.card.sample and self.request.predict:
            own = f"`zoo predict {self.card.id}` without a path"
            step += f"; the bundled sample runs only on its own scenes: {own}"
        return DataError(what, next=step)

    def _data_ready(self, data: DataPlan) -> bool:
        """Whether the data is local, cached, or can be downloaded."""
        downloads = [stage for stage in data.stages if stage.download]
        if not downloads or self.cache.is_cached(data.stages):
            return True
        return all(self.cache.is_reachable(url) for stage in downloads for url in _urls(stage))

    def _sample(self, needs_data: bool) -> tuple[Weights, DataPlan | None]:
        if self.request.images or self.request.annotations or self.request.predict:
            step = "add --weights FILE, or omit the images to run the sample's scenes"
            raise UsageError("sample weights do not run on your own images", next=step)
        weights = sample_weights(self.card)
        if not needs_data:
            return weights, None
        name = self.card.sample_dataset or ""
        return weights, self._plan(name, "evaluate", None, self.request.limit)

    def _data_for(self, kind: str) -> DataPlan:
        request, card = self.request, self.card
        if request.predict:
            return self._plan(FOLDER, "predict", request.predict[0], request.limit)
        if request.images or request.annotations:
            name = request.dataset or self._given_dataset()
            return self._plan(name, "evaluate", request.images, request.limit)
        own = card.sample_dataset if kind == "random" else None
        plan = self._plan(request.dataset or own or card.dataset, "evaluate", None, request.limit)
        if kind == "given" and plan.kind == "sample":
            raise UsageError(
                "your own weights are not scored on the sample's scenes",
                next="give --images DIR --annotations FILE",
            )
        return plan

    def _given_dataset(self) -> str:
        """The card's data set of given images; another one if only that reads the annotations."""
        own, annotations = folder_dataset(self.card, self.registry), self.request.annotations
        if annotations is None:
            return own
        fits = self._reads(own, annotations)
        known = self.plugins.all("dataset") if fits is False else ()
        readers = [own] if fits else [name for name in known if self._reads(name, annotations)]
        if len(readers) > 1:
            step = f"choose with --dataset: {', '.join(readers)}"
            what = "more than one data set reads these annotations"
            raise UsageError(what, where=str(annotations), next=step)
        if not readers and not self.request.images:
            step = f"or check the path: no data set reads {str(annotations)[:200]} by itself"
            raise UsageError("--annotations needs --images DIR", next=step)
        return readers[0] if readers else own

    def _reads(self, name: str, annotations: Path) -> bool | None:
        """Whether a data set reads them; None if it does not say."""
        with suppress(UnavailableError, OSError):
            dataset = self.plugins.dataset(name)
            reads = getattr(dataset, "reads", None)
            return reads and self.card.task in tasks_of(dataset) and reads(annotations)
        return None

    def _plan(self, name: str, purpose: str, images: Path | None, limit: int | None) -> DataPlan:
        request = DataRequest(
            purpose=purpose,
            images=images,
            annotations=self.request.annotations if purpose == "evaluate" else None,
            further=self.request.predict[1:] if purpose == "predict" else (),
            limit=limit,
            labels=self.card.labels if self.request.names else (),
            exif=_preprocess(self.card).exif,
            others=self.plugins.dataset,
        )
        dataset = self.plugins.dataset(name)
        plan, task = dataset.plan(request), self.card.task
        if purpose == "evaluate" and plan.has_truth and task not in tasks_of(dataset):
            known = " and ".join(tasks_of(dataset))
            what = f"data set '{name}' is for {known}, but {self.card.id} is for {task}"
            raise UsageError(what, next=f"use --dataset {self.card.dataset}")
        return plan


def _matched(
    data: DataPlan | None, card: ModelCard, evaluator: Evaluator, annotations: Path | None
) -> DataPlan | None:
    """The plan, with what the evaluator says of the classes in its ground truth and the labels."""
    if data is None or not data.classes or not isinstance(evaluator, MatchesLabels):
        return data
    try:
        found = evaluator.match(card.labels, data.classes)
    except DataError as error:
        where = error.where or str(annotations or data.dataset)
        raise DataError(error.what, where=where, next=error.next) from error
    return replace(data, warnings=(*data.warnings, *found))


def _images_missing(data: DataPlan) -> DataError:
    what = not_cached(f"the images of {data.dataset}")
    return DataError(what, next="give --images DIR --annotations FILE")


def folder_dataset(card: ModelCard, registry: Registry) -> str:
    """The card's `given_dataset`.

    Raises UsageError if it has none, and suggests the one that most cards of the task have.
    """
    if card.given_dataset is not None:
        return card.given_dataset
    known = sorted(
        other.given_dataset
        for other in registry.models.values()
        if other.task == card.task and other.given_dataset is not None
    )
    name = max(known, key=known.count) if known else "NAME"
    raise UsageError(
        "--images needs the key 'given_dataset', which is missing in the card",
        where=f"{card.origin}: models.{card.id}",
        next=f"add `given_dataset: {name}` to the card, or give --dataset {name}",
    )


def _urls(stage: Stage) -> list[str]:
    """The URLs in a stage's locations and parameters."""
    places = [*stage.locations.values(), *stage.params.values()]
    return [place for place in places if str(place).startswith(("http://", "https://"))]


def _backend(request: RunRequest, plugins: Plugins) -> Backend:
    """The backend of the request, else the default of the installed ones."""
    if request.backend is not None:
        return plugins.backend(request.backend)
    known = plugins.backends()
    for backend in known.values():
        if backend.default:
            return backend
    step = f"name one with --backend: {', '.join(known)}" if known else "install one"
    raise UsageError("no default backend is installed", next=step)


def _target(request: RunRequest, backend: Backend) -> Target:
    if request.precision not in backend.precisions:
        raise UsageError(
            f"backend '{backend.name}' does not support precision '{request.precision}'",
            next=did_you_mean(request.precision, backend.precisions),
        )
    for key in request.options:
        if key not in backend.options:
            hint = did_you_mean(key, backend.options)
            raise UsageError(f"backend '{backend.name}' has no option '{key}'", next=hint)
    return Target(
        backend=backend.name,
        precision=request.precision,
        device=request.device or default_device(backend),
        batch=request.batch or 1,
        options=dict(request.options),
    )


def _emulated(backend: Backend, target: Target) -> bool:
    known = {device.id for device in backend.availability().devices if device.emulated}
    return not known.isdisjoint(target.devices)


def default_device(backend: Backend) -> str:
    """The first available device; if the backend is not available, the first real device."""
    availability = backend.availability()
    devices = [device for device in availability.devices if not device.emulated]
    usable = [device.id for device in devices if device.available and availability.ok]
    return usable[0] if usable else devices[0].id if devices else "default"
