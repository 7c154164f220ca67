from __future__ import annotations

import json
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl
from zoo_core.errors import UnavailableError, UsageError
from zoo_core.plugins.manager import KINDS, Plugins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def module(name: str, **hooks: Callable[..., Any]) -> ModuleType:
    made = ModuleType(name)
    for hook, function in hooks.items():
        setattr(made, hook, hookimpl(function))
    return made


def decoders(*names: str, load: Callable[[], Any] = object) -> Callable[[], list[Provider[Any]]]:
    return lambda: [Provider(name=name, summary="for tests", load=load) for name in names]


def test_every_kind_of_provider_is_sorted_by_name() -> None:
    for kind, hook in KINDS.items():
        plugins = Plugins([module("zoo_a", **{hook: decoders("b", "a")})])
        assert list(plugins.all(kind)) == ["a", "b"]


def test_hooks_are_called_once() -> None:
    calls: list[str] = []

    def spy() -> list[Provider[Any]]:
        calls.append("called")
        return []

    plugins = Plugins([module("zoo_a", zoo_decoders=spy)])
    plugins.all("decoder")
    plugins.all("decoder")
    assert calls == ["called"]


def test_a_function_without_the_marker_is_no_hook() -> None:
    plain = ModuleType("zoo_plain")
    plain.__dict__["zoo_decoders"] = decoders("a")
    assert Plugins([plain]).all("decoder") == {}


def test_a_wrong_argument_name_is_a_failure_of_that_plugin() -> None:
    def wrong(stag: object) -> None:
        raise AssertionError(stag)

    plugins = Plugins([module("zoo_a", zoo_decoders=decoders("a"), zoo_stage_done=wrong)])
    (broken,) = plugins.failures
    assert "stag" in str(broken.failure)
    assert plugins.all("decoder") == {}


def test_a_misspelt_hook_does_not_condemn_the_next_plugin() -> None:
    bad = module("zoo_bad", zoo_decodrs=decoders("a"))
    good = module("zoo_good", zoo_decoders=decoders("b"))
    plugins = Plugins([bad, good])
    assert [plugin.name for plugin in plugins.failures] == ["zoo_bad"]
    assert list(plugins.all("decoder")) == ["b"]


def test_twins_given_by_modules_are_named() -> None:
    plugins = Plugins(
        [
            module("zoo_a", zoo_decoders=decoders("same")),
            module("zoo_b", zoo_decoders=decoders("same")),
        ]
    )
    with pytest.raises(UsageError, match="zoo_a and zoo_b"):
        plugins.decoder("same")


def test_the_same_name_of_another_kind_is_no_twin() -> None:
    plugins = Plugins(
        [
            module("zoo_a", zoo_decoders=decoders("same")),
            module("zoo_b", zoo_datasets=decoders("same")),
        ]
    )
    assert plugins.owner("decoder", "same").name == "zoo_a"
    assert plugins.owner("dataset", "same").name == "zoo_b"


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (ModuleNotFoundError("No module named 'sdk'"), "install what zoo_a needs"),
        (OSError("libsdk.so: cannot open shared object file"), "update zoo_a"),
        (AttributeError("module 'numpy' has no attribute 'bool'"), "update zoo_a"),
    ],
)
def test_a_provider_that_cannot_be_loaded(error: Exception, step: str) -> None:
    def load() -> object:
        raise error

    plugins = Plugins([module("zoo_a", zoo_decoders=decoders("a", load=load))])
    with pytest.raises(UnavailableError) as caught:
        plugins.decoder("a")
    assert str(error) in caught.value.what
    assert caught.value.next == step
    assert caught.value.__cause__ is error


def test_a_provider_may_say_itself_why_it_is_unavailable() -> None:
    def load() -> object:
        raise UnavailableError("needs a licence", next="ask the vendor")

    plugins = Plugins([module("zoo_a", zoo_decoders=decoders("a", load=load))])
    with pytest.raises(UnavailableError, match="needs a licence"):
        plugins.decoder("a")


def test_registry_files_of_a_broken_plugin_do_not_hide_the_others(tmp_path: Path) -> None:
    def broken() -> list[Path]:
        raise OSError("gone")

    path = tmp_path / "b.yaml"
    path.touch()
    plugins = Plugins(
        [
            module("zoo_a", zoo_registry_files=broken),
            module("zoo_b", zoo_registry_files=lambda: [path]),
            module("zoo_c", zoo_registry_files=lambda: [tmp_path / "missing.yaml"]),
        ]
    )
    assert plugins.registry_files() == [path]
    first, second = plugins.failures
    assert first.failure == "OSError: gone"
    assert second.failure is not None
    assert "missing.yaml" in second.failure


def test_an_unknown_name_gets_a_hint() -> None:
    plugins = Plugins([module("zoo_a", zoo_decoders=decoders("yolox", "ssd"))])
    with pytest.raises(UsageError) as caught:
        plugins.provider("decoder", "yolo")
    assert caught.value.next == "did you mean 'yolox'?"
    with pytest.raises(UsageError) as caught:
        plugins.provider("decoder", "anything")
    assert caught.value.next == (
        "known: ssd, yolox; install the plugin that provides it (zoo's own: plugins/ of its "
        "repository)"
    )


def test_what_a_plugin_provides() -> None:
    plugins = Plugins(
        [module("zoo_a", zoo_decoders=decoders("b", "a"), zoo_datasets=decoders("c"))]
    )
    (plugin,) = plugins.plugins
    assert json.dumps(plugins.provided(plugin)) == '{"decoder": ["a", "b"], "dataset": ["c"]}'


@pytest.mark.parametrize("items", [[1], [None], "name", [object()], 3])
def test_what_is_no_provider_is_a_failure_of_its_plugin(items: object) -> None:
    plugins = Plugins([module("strange", zoo_decoders=lambda: items)])

    assert plugins.all("decoder") == {}
    assert [plugin.name for plugin in plugins.failures] == ["strange"]
