"""`zoo models`: filters, and what keeps a model from running here."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.api import ModelCard, Repository, Source, WeightsOption
from zoo_core.api.repository import source_stage
from zoo_core.cli import completion
from zoo_core.commands.models import Lack, ModelFilter, lack_of, models, weights_from
from zoo_core.errors import UsageError
from zoo_core.pipeline.plan import make_plan
from zoo_core.pipeline.store import Store
from zoo_core.planning.weights import published_weights
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import Registry, load_registry
from zoo_core.system import download
from zoo_core.system.paths import by_hand_file, home
from zoo_core.testing import toy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def plugins() -> Plugins:
    return Plugins([toy])


@pytest.fixture
def registry(plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZOO_REGISTRY", raising=False)
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path)
    return load_registry(plugins.registry_files())


def names(registry: Registry, plugins: Plugins, **wanted: Any) -> list[str]:
    return [row["id"] for row in models(registry, plugins, ModelFilter(**wanted))]


def with_weights(card: ModelCard, source: Source) -> ModelCard:
    option = WeightsOption(format="toy", files={"weights": source})
    return replace(card, weights=(option,), sample=None)


def test_a_row_says_who_takes_it_and_that_it_runs(registry: Registry, plugins: Plugins) -> None:
    rows = {row["id"]: row for row in models(registry, plugins, ModelFilter())}

    assert rows["toy-detector"]["backends"] == ["toy"]
    assert (rows["toy-detector"]["runnable"], rows["toy-detector"]["reason"]) == (True, "")
    assert (rows["toy-detector"]["size"], rows["toy-detector"]["missing"]) == ([32, 32], "")
    assert rows["yolov4-darknet"]["backends"] == []
    assert rows["yolov4-darknet"]["missing"] == "a plugin: exporter darknet"
    assert "no exporter 'darknet' is installed" in rows["yolov4-darknet"]["reason"]


def test_filters_combine(registry: Registry, plugins: Plugins) -> None:
    assert names(registry, plugins, runnable=True) == ["toy-detector"]
    assert names(registry, plugins, backend="toy", precision="int8") == ["toy-detector"]
    assert names(registry, plugins, backend="toy", source="AlexeyAB/darknet") == []
    darknet = names(registry, plugins, source="AlexeyAB/darknet")
    assert len(darknet) == 9
    assert names(registry, plugins, source="darknet") == darknet
    assert names(registry, plugins, source="alexeyab", runnable=True) == []
    assert names(registry, plugins, task="detection") == list(registry.models)
    assert names(registry, plugins, size="32") == ["toy-detector"]
    assert set(darknet) < set(names(registry, plugins, family="darknet-yolo"))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"task": "detction"}, "--task: unknown 'detction'; did you mean 'detection'?"),
        ({"family": "darknet"}, "--family: unknown 'darknet'; did you mean 'darknet-yolo'?"),
        ({"size": "415"}, "--size: unknown '415'; did you mean '416'?"),
        ({"source": "darknt"}, "--source: unknown 'darknt'; did you mean 'darknet'?"),
        ({"backend": "toi"}, "--backend: unknown 'toi'; did you mean 'toy'?"),
        ({"precision": "fp23"}, "--precision: unknown 'fp23'; did you mean 'fp32'?"),
    ],
)
def test_an_unknown_value_is_answered_with_the_closest(
    registry: Registry, plugins: Plugins, wanted: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        names(registry, plugins, **wanted)

    assert message in str(caught.value)


def test_a_plain_list_loads_no_provider(registry: Registry, plugins: Plugins) -> None:
    loaded: list[str] = []

    class Watched(Plugins):
        def load(self, kind: str, name: str) -> Any:
            loaded.append(name)
            return super().load(kind, name)

    watched = Watched([toy])
    assert models(registry, watched, ModelFilter(runnable=True))
    assert loaded == []
    models(registry, watched, ModelFilter(backend="toy"))
    assert loaded == ["toy", "toy"]


def test_weights_by_hand_run_once_they_are_here(registry: Registry, plugins: Plugins) -> None:
    source = Source(name="w.toy", by_hand="a page")
    card = with_weights(registry.model("toy-detector"), source)

    assert weights_from(card) == "by hand"
    told = "import weights: zoo fetch toy-detector --from-file w.toy"
    assert lack_of(card, plugins) == Lack("file w.toy", told)
    path = by_hand_file(card.id, source.name)
    path.parent.mkdir(parents=True)
    path.touch()
    assert lack_of(card, plugins) == Lack()


def test_weights_elsewhere_run_but_offline(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(name="w.toy", url="http://localhost:1/w.toy", sha256="0" * 64)
    card = with_weights(registry.model("toy-detector"), source)
    large = with_weights(card, replace(source, size=23_400_000))

    assert lack_of(card, plugins) == Lack()
    assert weights_from(card) == "download"
    assert weights_from(large) == "download 23 MB"
    sampled = replace(large, sample=card.weights[0])
    assert weights_from(sampled) == "download 23 MB, sample"
    assert lack_of(sampled, plugins) == Lack()
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert "not in the cache" in lack_of(card, plugins).reason
    assert lack_of(registry.model("toy-detector"), plugins) == Lack()


def test_weights_in_a_repository_need_it(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(name="w.toy", path="weights/w.toy")
    unpinned = with_weights(registry.model("toy-detector"), source)
    unpinned = replace(unpinned, repository=Repository(name="o/net", url="https://example.com/net"))
    card = replace(unpinned, repository=replace(unpinned.repository, commit="0" * 40))

    assert weights_from(card) == "in its repository"
    assert lack_of(unpinned, plugins).thing == "a commit in the card"
    assert lack_of(card, plugins, lambda _url: True) == Lack()
    told = "no network, and o/net is not in the cache: give --source DIR"
    assert lack_of(card, plugins, lambda _url: False) == Lack("network", told)
    by_hand = with_weights(card, Source(name="w.toy", by_hand="a page"))
    assert lack_of(by_hand, plugins, lambda _url: False).thing == "file w.toy"

    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert lack_of(card, plugins).reason.startswith("ZOO_OFFLINE is set, and o/net")
    store = Store(home() / "store")
    (clone,) = make_plan([source_stage(card)])
    work = store.work(clone.key, "source")
    (work / "repository").mkdir()
    store.commit(clone.key, work, ("repository",), {})
    assert lack_of(card, plugins) == Lack()


def test_weights_in_the_store_are_here(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    source = Source(name="w.toy", url="http://localhost:1/w.toy", sha256="0" * 64)
    card = with_weights(registry.model("toy-detector"), source)
    stage = published_weights(card)[0].stages()[-1]
    assert stage is not None
    store = Store(home() / "store")
    (item,) = make_plan([stage])
    work = store.work(item.key, "weights")
    (work / "w.toy").touch()
    store.commit(item.key, work, ("w.toy",), {})

    assert lack_of(card, plugins) == Lack()


def test_a_file_by_hand_does_not_stand_for_one_to_be_downloaded(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_card = registry.model("toy-detector")
    files = {
        "weights": Source(name="w.toy", by_hand="a page"),
        "cfg": Source(name="w.cfg", url="http://localhost:1/w.cfg", sha256="0" * 64),
    }
    card = replace(toy_card, sample=None, weights=(WeightsOption(format="toy", files=files),))

    assert lack_of(card, plugins).reason.startswith("import weights:")
    path = by_hand_file(card.id, "w.toy")
    path.parent.mkdir(parents=True)
    path.touch()
    assert lack_of(card, plugins) == Lack()
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert "not in the cache" in lack_of(card, plugins).reason


def test_a_backend_that_does_not_read_the_graph_is_left_out(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.ToyCompiler, "formats", ("torchscript",))

    assert names(registry, plugins, backend="toy") == []


def test_a_compiler_that_cannot_be_loaded_takes_nothing(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: Plugins, kind: str, name: str) -> Any:
        raise UsageError(f"{kind} {name} is broken")

    monkeypatch.setattr(Plugins, "load", broken)

    assert names(registry, plugins, backend="toy") == []


def test_what_a_left_out_plugin_gives_is_not_called_missing(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "toy")
    card = replace(registry.model("toy-detector"), evaluator="coco-detection")

    told = lack_of(card, Plugins.installed()).reason
    assert "no evaluator 'coco-detection' is installed or enabled" in told
    assert lack_of(card, plugins).reason == "no evaluator 'coco-detection' is installed"


def test_a_download_is_runnable_only_where_its_host_answers(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answers(url: str, timeout: float = 5.0) -> bool:
        asked.append(url)
        return "up.test" in url

    monkeypatch.setattr(download, "network_reachable", answers)
    source = Source(name="w.toy", url="http://up.test/w.toy", sha256="0" * 64)
    down = replace(source, url="http://down.test/w.toy")
    cards = {name: with_weights(registry.model("toy-detector"), s)
             for name, s in (("up", source), ("down", down), ("again", down))}  # fmt: skip
    own = replace(registry, models=cards)
    for _ in range(2):
        rows = {name: row for name, row in zip(cards, models(own, plugins, ModelFilter()),
                                               strict=True)}  # fmt: skip
        assert rows["up"]["runnable"]
        assert rows["down"]["reason"] == "no network, and the weights are not in the cache"
        assert len(models(own, plugins, ModelFilter(runnable=True))) == 1
    assert asked == ["http://up.test/w.toy", "http://down.test/w.toy"], "it is kept for minutes"
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    told = [row["reason"] for row in models(own, plugins, ModelFilter())]
    assert told == ["ZOO_OFFLINE is set, and the weights are not in the cache"] * 3


def test_a_network_that_hangs_is_waited_for_once(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def hangs(url: str, timeout: float = 5.0) -> bool:
        asked.append(url)
        time.sleep(1.1)
        return False

    monkeypatch.setattr(download, "network_reachable", hangs)
    source = Source(name="w.toy", url="http://a.test/w.toy", sha256="0" * 64)
    hosts = "abcd"
    cards = {host: with_weights(registry.model("toy-detector"),
                                replace(source, url=f"http://{host}.test/w.toy"))
             for host in hosts}  # fmt: skip
    assert models(replace(registry, models=cards), plugins, ModelFilter(runnable=True)) == []
    assert len(asked) == 1
    (home() / "network.json").write_text('{"a.test": [1, "x"], "b.test": 3}')
    assert models(replace(registry, models=cards), plugins, ModelFilter(runnable=True)) == []


def test_the_shell_offers_models_that_can_run(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    assert completion.runnable("") == completion.runnable("toy") == ["toy-detector"]
    assert completion.runnable("yolo") == []
    assert "yolov4-darknet" in completion.models("yolo")
