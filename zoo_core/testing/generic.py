"""Contract classes for all that an installed plugin provides, where nobody wrote any for it.

What only an author can say, such as how outputs look, is skipped with the way to say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.api import DataRequest, Prediction
from zoo_core.errors import DataError, UsageError, ZooError
from zoo_core.plugins.manager import Plugins
from zoo_core.plugins.plugin import named
from zoo_core.registry import load_registry
from zoo_core.registry.protocols import task_values
from zoo_core.testing.contracts.backend import BackendContract
from zoo_core.testing.contracts.checks import plugins_of
from zoo_core.testing.contracts.compiler import CompilerContract
from zoo_core.testing.contracts.dataset import DatasetContract
from zoo_core.testing.contracts.decoder import DecoderContract
from zoo_core.testing.contracts.evaluator import EvaluatorContract
from zoo_core.testing.contracts.exporter import ExporterContract
from zoo_core.testing.contracts.offline_builder import OfflineBuilderContract
from zoo_core.testing.contracts.plugin import PluginContract
from zoo_core.testing.contracts.profiler import ProfilerContract
from zoo_core.testing.contracts.runtime import RuntimeContract
from zoo_core.testing.generic_tasks import SAY, GenericTaskDecoder, GenericTaskEvaluator
from zoo_core.testing.given import noise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    from zoo_core.api import Arrays, DataPlan, DataView, Metrics, ModelCard
    from zoo_core.plugins.plugin import Plugin
    from zoo_core.registry import Registry
    from zoo_core.testing.given import Box


class GenericExporter(ExporterContract):
    """With random weights, where the exporter takes them alone."""

    @pytest.fixture(autouse=True)
    def _plannable(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        if "declares" in request.node.name:
            return
        try:
            self._stages(self._request(self.weights(tmp_path)))
        except (ZooError, KeyError) as error:
            pytest.skip(f"random weights alone do not do ({error}); {SAY}.ExporterContract")


class GenericDecoder(DecoderContract):
    """With the parameters of a card that names it."""

    @pytest.fixture(autouse=True)
    def _bindable(self) -> None:
        try:
            self._bind()
        except ZooError as error:
            pytest.skip(f"its parameters are not known ({error}); {SAY}.DecoderContract")

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        """Only its author knows."""
        pytest.skip(f"how its outputs look is not known; {SAY}.DecoderContract")


class GenericProfiler(ProfilerContract):
    """Where a backend names it."""

    @pytest.fixture(autouse=True)
    def _named(self) -> None:
        backends = plugins_of(self.plugin, self.partners).backends().values()
        if not any(backend.profiler == self.name for backend in backends):
            pytest.skip(f"no backend names it; {SAY}.ProfilerContract")


class GenericDataset(DatasetContract):
    """As it is, or with a folder of images where it wants one."""

    @pytest.fixture(autouse=True)
    def _plannable(self, tmp_path: Path) -> None:
        try:
            count = self._plan(tmp_path).count
        except (DataError, UsageError) as error:
            pytest.skip(f"it wants what is not here ({error}); {SAY}.DatasetContract")
        if count <= self.limit:
            pytest.skip(f"its {count} samples are too few; {SAY}.DatasetContract")

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        """Its own images; where it has none, four of noise to predict."""
        try:
            self._dataset().plan(DataRequest(purpose=self.purpose))
        except (DataError, UsageError):
            return DataRequest(purpose="predict", images=_images(folder / "images"), limit=limit)
        return DataRequest(purpose=self.purpose, limit=limit)

    def opened(self, plan: DataPlan, folder: Path) -> DataView:
        """Without a network."""
        try:
            return super().opened(plan, folder)
        except DataError as error:
            pytest.skip(f"its stages bring nothing here ({error})")


class GenericEvaluator(EvaluatorContract):
    """With the values of a protocol, for the first of its figures, where its truth is COCO's."""

    _foreign = ""

    @pytest.fixture(autouse=True)
    def _scoring(
        self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        if not self.values:
            pytest.skip(f"no protocol's values are for it; {SAY}.EvaluatorContract")
        if any(words in request.node.name for words in ("refused", "own_values", "its_task")):
            return
        try:
            metrics = self._score(self.perfect(), tmp_path_factory.mktemp("truth"))
        except Exception as error:  # it reads what is none of its own, and may say so in any way
            self._foreign = f"its truth is not COCO's ({type(error).__name__}: {error})"
        else:
            self.metric = next(iter(metrics.values), self.metric)

    def _metrics(self, predictions: Sequence[Prediction], folder: Path) -> Metrics:
        if self._foreign:
            pytest.skip(f"{self._foreign}; {SAY}.EvaluatorContract")
        return super()._metrics(predictions, folder)


_CLASSES: dict[str, type[Any]] = {
    "exporter": GenericExporter,
    "compiler": CompilerContract,
    "runtime": RuntimeContract,
    "profiler": GenericProfiler,
    "decoder": GenericDecoder,
    "evaluator": GenericEvaluator,
    "dataset": GenericDataset,
    "emitter": OfflineBuilderContract,
    "backend": BackendContract,
}
_DETECTION = "detection"
_OF_ANY_TASK: dict[str, type[Any]] = {
    "decoder": GenericTaskDecoder,
    "evaluator": GenericTaskEvaluator,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A plugin among all that are installed, and the registry they make."""

    plugin: Plugin
    module: ModuleType
    plugins: Plugins
    registry: Registry | None

    @classmethod
    def of(cls, name: str) -> Subject:
        """By any of its names; raises UsageError for none, RuntimeError for one that failed."""
        plugins = Plugins.installed()
        plugin = named(name, plugins.plugins)
        plugins.provided(plugin)
        plugin = named(name, plugins.plugins)
        if plugin.failure:
            raise RuntimeError(plugin.failure)
        try:
            registry = load_registry(plugins.registry_files())
        except ZooError:
            registry = None
        return cls(plugin, import_module(plugin.module), plugins, registry)

    def classes(self) -> dict[str, type[Any]]:
        """A test class for the plugin and for each of its providers, by the class's name."""
        own = {"plugin": self.module, "distribution": self.plugin.distribution or None}
        found: dict[str, type[Any]] = {"TestPlugin": type("TestPlugin", (PluginContract,), own)}
        for kind, names in self.plugins.provided(self.plugin).items():
            for name in names if kind in _CLASSES else ():
                title = f"Test_{kind}_{name}"
                settings = {"plugin": self.module, "name": name, **self._settings(kind, name)}
                found[title] = type(title, (self._class(kind, name),), settings)
        return found

    def _class(self, kind: str, name: str) -> type[Any]:
        """What knows detection is for detection; another task gets what holds for any."""
        if self._task(kind, name) == _DETECTION:
            return _CLASSES[kind]
        return _OF_ANY_TASK.get(kind, _CLASSES[kind])

    def _task(self, kind: str, name: str) -> str:
        """Of a decoder or evaluator; detection where it does not load, which is told elsewhere."""
        if kind not in _OF_ANY_TASK:
            return _DETECTION
        try:
            return str(self.plugins.load(kind, name).task)
        except Exception:  # what a plugin raises while it loads can be anything
            return _DETECTION

    def _settings(self, kind: str, name: str) -> dict[str, Any]:
        if kind in ("compiler", "runtime", "profiler", "emitter"):
            return {"partners": self._partners(kind, name)}
        cards = [c for c in self._cards() if getattr(c, kind, None) == name]
        task = {"task": self._task(kind, name)} if kind in _OF_ANY_TASK else {}
        if kind == "exporter" and cards:
            return {"params": cards[0].exporter_params}
        if kind == "decoder" and cards:
            card = cards[0]
            shape = {"classes": len(card.labels), "size": card.size}
            return {**task, **shape, "params": card.decoder_params}
        if kind == "evaluator":
            candidates = {} if task["task"] == _DETECTION else self._decoding(cards)
            return {**task, "values": self._values(name), **candidates}
        return task

    def _decoding(self, cards: Sequence[ModelCard]) -> dict[str, Any]:
        """How candidates are made for an evaluator that the first of these cards names."""
        for card in cards[:1]:
            try:
                decode = self.plugins.decoder(card.decoder).bind(
                    card.decoder_params, len(card.labels), 0.0
                )
            except Exception:  # what a plugin raises while it loads can be anything
                return {}
            found = {"decode": staticmethod(decode), "network": card.size}
            return {**found, "labels": card.labels}
        return {}

    def _cards(self) -> list[ModelCard]:
        return list(self.registry.models.values()) if self.registry else []

    def _values(self, name: str) -> dict[str, Any]:
        """Those of the first protocol that the evaluator accepts."""
        evaluator = self.plugins.evaluator(name)
        protocols = self.registry.protocols.values() if self.registry else ()
        for protocol in (item for item in protocols if item.task == evaluator.task):
            values = dict(task_values(protocol))
            if not values:
                continue
            try:
                evaluator.check(values)
            except ZooError:
                continue
            return values
        return {}

    def _partners(self, kind: str, name: str) -> tuple[ModuleType, ...]:
        """The plugins of the first backend that names it, and of that backend's compiler."""
        for backend in self.plugins.backends().values():
            if getattr(backend, kind) == name:
                owners = [self.plugins.owner("backend", backend.name)]
                if backend.compiler in self.plugins.all("compiler"):
                    owners.append(self.plugins.owner("compiler", backend.compiler))
                modules = {owner.module: import_module(owner.module) for owner in owners}
                modules.pop(self.module.__name__, None)
                return tuple(modules.values())
        return ()


def _images(folder: Path) -> Path:
    from zoo_core.vision import write_image

    if not folder.exists():
        folder.mkdir(parents=True)
        for seed in range(4):
            write_image(folder / f"{seed}.png", noise(48, 64, seed))
    return folder
