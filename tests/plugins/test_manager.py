from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import UsageError
from zoo_core.plugins.manager import Plugin, Plugins

if TYPE_CHECKING:
    from tests.conftest import Installed


def only(plugins: Plugins, distribution: str) -> Plugin:
    (result,) = [plugin for plugin in plugins.plugins if plugin.distribution == distribution]
    return result


def test_a_good_distribution_is_found(installed: Installed) -> None:
    plugins = installed("good")
    plugin = only(plugins, "zoo-good")
    assert plugin == Plugin(
        name="good", module="zoo_good", distribution="zoo-good", version="1.2", api=1
    )
    assert plugins.hooks(plugin) == ["zoo_decoders"]
    assert plugins.provided(plugin) == {"decoder": ["good"]}
    assert plugins.owner("decoder", "good") == plugin


@pytest.mark.parametrize(
    ("folder", "distribution", "failure"),
    [
        ("import_error", "zoo-import-error", "ModuleNotFoundError: No module named 'a_library_tha"),
        ("misspelt", "zoo-misspelt", "PluginValidationError: unknown hook 'zoo_decodrs'"),
        ("newer", "zoo-newer", "UsageError: needs version 99 of the hooks, this zoo has 1"),
        ("exits", "zoo-exits", "SystemExit: no licence found"),
        ("malformed", "zoo-malformed", "ModuleNotFoundError"),
    ],
)
def test_a_broken_distribution_is_survived_and_named(
    installed: Installed, folder: str, distribution: str, failure: str
) -> None:
    plugins = installed("good", folder)
    broken = only(plugins, distribution)
    assert broken.failure is not None
    assert broken.failure.startswith(failure)
    assert plugins.failures == [broken]
    assert list(plugins.all("decoder")) == ["good"]
    assert plugins.hooks(broken) == []
    assert plugins.provided(broken) == {}


def test_a_hook_that_raises_takes_out_only_its_own_plugin(installed: Installed) -> None:
    plugins = installed("good", "raises")
    assert list(plugins.all("decoder")) == ["good"]
    assert only(plugins, "zoo-raises").failure == "RuntimeError: the driver is gone"
    assert plugins.hooks(only(plugins, "zoo-raises")) == []


def test_a_lookup_that_fails_names_what_is_broken(installed: Installed) -> None:
    plugins = installed("good", "import_error")
    with pytest.raises(UsageError) as caught:
        plugins.find("decoder", "goood")
    assert "did you mean 'good'?" in caught.value.next
    assert "plugin import_error failed: ModuleNotFoundError" in caught.value.next


def test_twins_name_both_distributions(installed: Installed) -> None:
    plugins = installed("twin_a", "twin_b")
    with pytest.raises(UsageError, match="zoo-twin-a and zoo-twin-b") as caught:
        plugins.find("decoder", "twin")
    assert "'twin'" in caught.value.what
    assert "ZOO_DISABLE_PLUGINS" in caught.value.next


def test_twins_are_listed_and_what_else_is_there_works(installed: Installed) -> None:
    plugins = installed("good", "twin_a", "twin_b")
    assert list(plugins.all("decoder")) == ["good"]
    for name in ("zoo-twin-a", "zoo-twin-b"):
        twin = only(plugins, name)
        assert twin.failure is not None
        assert twin.failure.startswith("two plugins provide decoder 'twin'")
        assert twin in plugins.failures


def test_one_of_two_twins_can_be_left_out(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "twin_b")
    plugins = installed("twin_a", "twin_b")
    assert plugins.owner("decoder", "twin").distribution == "zoo-twin-a"


def test_an_entry_point_name_given_twice_keeps_the_first(installed: Installed) -> None:
    plugins = installed("good", "same_name")
    survivors = [plugin for plugin in plugins.plugins if not plugin.failure]
    (failed,) = plugins.failures
    assert len(survivors) == 1
    assert {survivors[0].distribution, failed.distribution} == {"zoo-good", "zoo-same-name"}
    assert survivors[0].distribution in str(failed.failure)
    assert len(plugins.all("decoder")) == 1
    assert plugins.provided(failed) == plugins.provided(survivors[0])


@pytest.mark.parametrize("spelling", ["import_error", "zoo_import_error"])
def test_a_disabled_plugin_is_never_imported(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", f" {spelling} ,nothing")
    plugins = installed("good", "import_error")
    assert [plugin.name for plugin in plugins.plugins] == ["good"]
    assert plugins.failures == []


def test_only_the_named_plugins_are_imported(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_twin_a")
    plugins = installed("good", "twin_a", "twin_b")
    assert [plugin.name for plugin in plugins.plugins] == ["twin_a"]
    assert "zoo_good" not in sys.modules
    assert "zoo_twin_b" not in sys.modules


def test_no_plugin_at_all(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "")
    plugins = installed("good")
    assert plugins.plugins == []
    with pytest.raises(UsageError) as caught:
        plugins.find("backend", "toy")
    reason = "because ZOO_PLUGINS does not name it"
    assert caught.value.next == f"none is registered; disabled: zoo-good {reason}"


def test_a_module_need_not_be_an_entry_point(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_good,zoo_core.testing.toy,zoo_core.testing.toy,no_such")
    plugins = installed("good")
    assert [plugin.name for plugin in plugins.plugins] == [
        "good",
        "zoo_core.testing.toy",
        "no_such",
    ]
    assert [plugin.name for plugin in plugins.failures] == ["no_such"]
    assert "toy" in plugins.backends()


def test_a_module_named_by_hand_can_be_disabled(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "zoo_core.testing.toy")
    assert installed().plugins == []
